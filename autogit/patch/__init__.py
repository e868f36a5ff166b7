"""Turns any proposal's text into exact file changes, whole or not at all."""

from autogit.patch.land import Read, land
from autogit.patch.policy import Policy
from autogit.patch.same import digest, normalised, only_seed, same_program, without_effect
from autogit.patch.shadow import check_shadows

__all__ = [
    "Policy", "Read", "check_shadows", "digest", "land", "normalised", "only_seed", "same_program", "without_effect",
]  # fmt: skip
