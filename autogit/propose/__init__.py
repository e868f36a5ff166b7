"""Proposes what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from autogit.config.model import Config
    from autogit.propose.portfolio import Portfolio


def build_portfolio(config: Config, cancel: threading.Event | None = None) -> Portfolio:
    """All proposers that the configuration allows, as one; `cancel` gives up a model call that is being waited for.

    What there is to tell the person beside the proposals is in its `notices`.
    """
    from autogit.propose.notices import Notices
    from autogit.propose.portfolio import Portfolio
    from autogit.propose.registry import foreign_proposers, own_proposers
    from autogit.propose.search.hyperparameters import parameter_importance

    notices = Notices()
    proposers = [*own_proposers(), *foreign_proposers(notices)]
    if config.llm or config.agent.command:
        from autogit.propose.models.llm import model_proposers

        proposers += model_proposers(config, cancel, parameter_importance)
    if config.search.only:
        proposers = [each for each in proposers if each.name.partition(":")[0] == config.search.only]
    return Portfolio(proposers, notices)
