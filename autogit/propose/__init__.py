"""Proposes what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from autogit.config.model import Config
    from autogit.propose.portfolio import Portfolio
    from autogit.protocols import Proposer


def build_portfolio(config: Config, cancel: threading.Event | None = None) -> Portfolio:
    """All proposers that the configuration allows, as one; `cancel` gives up a model call that is being waited for.

    What there is to tell the person beside the proposals is in its `notices`.
    """
    from autogit.propose.operators.ablate import AblateProposer
    from autogit.propose.operators.branch import BranchProposer
    from autogit.propose.operators.bundle import BundleProposer
    from autogit.propose.operators.combine import CombineProposer
    from autogit.propose.operators.refine import RefineProposer
    from autogit.propose.operators.revisit import RevisitProposer
    from autogit.propose.patterns import PatternProposer
    from autogit.propose.portfolio import Portfolio
    from autogit.propose.search.hyperparameters import HyperparameterProposer, parameter_importance

    proposers: list[Proposer] = [
        HyperparameterProposer(), PatternProposer(), RefineProposer(), CombineProposer(), AblateProposer(),
        RevisitProposer(), BranchProposer(), BundleProposer(),
    ]  # fmt: skip
    if config.llm or config.agent.command:
        from autogit.propose.models.llm import model_proposers

        proposers += model_proposers(config, cancel, parameter_importance)
    if config.search.only:
        proposers = [each for each in proposers if each.name.partition(":")[0] == config.search.only]
    return Portfolio(proposers)
