"""Proposes what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from autogit.config import Config
    from autogit.propose.turns import Portfolio
    from autogit.protocols import Proposer


def portfolio(config: Config, cancel: threading.Event | None = None) -> Portfolio:
    """All proposers that the configuration allows, as one; `cancel` gives up a model call that is being waited for.

    What there is to tell the person beside the proposals is in its `notices`.
    """
    from autogit.propose.ablate import AblateProposer
    from autogit.propose.branch import BranchProposer
    from autogit.propose.bundle import BundleProposer
    from autogit.propose.combine import CombineProposer
    from autogit.propose.hyperparameters import HyperparameterProposer, parameter_importance
    from autogit.propose.patterns import PatternProposer
    from autogit.propose.refine import RefineProposer
    from autogit.propose.revisit import RevisitProposer
    from autogit.propose.turns import Portfolio

    proposers: list[Proposer] = [
        HyperparameterProposer(), PatternProposer(), RefineProposer(), CombineProposer(), AblateProposer(),
        RevisitProposer(), BranchProposer(), BundleProposer(),
    ]  # fmt: skip
    if config.llm or config.agent.command:
        from autogit.propose.llm import llm_proposers

        proposers += llm_proposers(config, cancel, parameter_importance)
    return Portfolio(proposers)
