"""Proposes what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogit.config import Config
    from autogit.protocols import Proposer


def portfolio(config: Config) -> Proposer:
    """All proposers that the configuration allows, as one."""
    from autogit.propose.hyperparameters import HyperparameterProposer

    return HyperparameterProposer()
