"""Turns any proposal's text into exact file changes, whole or not at all."""

from autogit.patch.land import Landed, Read, land
from autogit.patch.policy import Policy

__all__ = ["Landed", "Policy", "Read", "land"]
