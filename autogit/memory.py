"""What a lab knows: its trials and what follows from them, derived from git and never stored a second time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from autogit.config.load import ConfigFile
from autogit.config.model import Config
from autogit.history import History, Pruning, Trend
from autogit.ledger import GitLedger
from autogit.records import Curve, Idea, Record

if TYPE_CHECKING:
    from autogit.evaluate.gains import Gain
    from autogit.evaluate.noise import Noise
    from autogit.evaluate.nulls import NullChecks
    from autogit.patch import Policy
    from autogit.propose.beliefs import Belief
    from autogit.wiring import Wiring


class Memory:
    """The half of a lab that only reads. It needs nothing but git."""

    def __init__(self, file: ConfigFile) -> None:
        self.file = file
        self.ledger = GitLedger(file, lambda path: self._policy.allows(path))

    @property
    def config(self) -> Config:
        """The configuration as frozen dataclasses."""
        return self.file.config

    @cached_property
    def history(self) -> History:
        """Every closed trial, oldest first, with what follows from them."""
        return History(self.config.metric, self.ledger.records(), self.ledger.line)

    def trials(self) -> list[Record]:
        """Every closed trial, oldest first."""
        return list(self.history)

    def trial(self, number: int | str) -> Record:
        """One closed trial by its number. Raises UnknownTrialError."""
        return self.history[str(number).removeprefix("exp/")]

    def best(self) -> Record | None:
        """The incumbent: the last accepted trial. None before the first loop."""
        return self.history.best()

    def top(self, count: int = 5) -> list[Record]:
        """The trials with the best primary metric, best first."""
        return self.history.top(count)

    def noise(self) -> Noise | None:
        """How much the primary metric moves by luck between two runs; None where nothing was repeated."""
        from autogit.evaluate.noise import noise

        name = self.config.metric.name
        return noise(self.trials(), lambda metrics: metrics.get(name))

    def trends(self) -> list[Trend]:
        """How each kind of move has done."""
        return self.history.trends()

    def beliefs(self) -> list[Belief]:
        """What the portfolio believes of each proposer and kind of move that was tried, the most promising first."""
        from autogit.propose.beliefs import beliefs

        return beliefs(self.history)

    def importance(self) -> Mapping[str, float]:
        """Each parameter's share in what made trials good (they sum to 1); empty until there are enough to tell."""
        from autogit.propose.search.hyperparameters import parameter_importance

        return parameter_importance(self._wiring().context()) if self.trials() else {}

    def pruning(self) -> Pruning:
        """How many runs were stopped early, and what the ones that were let finish tell of that."""
        return self.history.pruning()

    def fooled(self) -> tuple[NullChecks, NullChecks]:
        """How often the rule took luck for progress: on two halves of each incumbent's own runs, on null trials."""
        from autogit.evaluate.nulls import null_checks, null_trials

        return null_checks(self.config, self.history), null_trials(self.history)

    def improvement(self, record: Record) -> float | None:
        """Over the first baseline, in percent; negative where worse."""
        return self.history.improvement(record)

    def total_gain(self) -> Gain | None:
        """What all accepted changes gained together, with its 95% interval, in the unit of what is compared.

        By seeds that took no part in choosing them; None where nothing was accepted on such seeds.
        """
        from autogit.evaluate.gains import total_gain

        return total_gain(self.history)

    def diff(self, number: int | str) -> str:
        """The change of a trial against its base."""
        return self.ledger.diff(self.trial(number).id)

    def log(self, number: int | str) -> str:
        """What the runs of a trial printed (bounded)."""
        return self.ledger.log(self.trial(number).id)

    def curves(self, number: int | str) -> tuple[Curve, ...]:
        """The learning curves of a trial's runs."""
        return self.ledger.curves(self.trial(number).id)

    def briefing(self, tokens: int = 60_000) -> str:
        """All that a model would be told for the next proposal, in at most about `tokens` tokens."""
        from autogit.propose.ideas import waiting
        from autogit.propose.models.answer import FORM
        from autogit.propose.models.prompt import brief, render
        from autogit.propose.search.hyperparameters import parameter_importance

        context = self._wiring().context()
        ideas = waiting(self.ledger.ideas(), self.history)
        return render(brief(context, ideas, parameter_importance(context)), FORM, tokens)

    def ideas(self) -> tuple[Idea, ...]:
        """The queued ideas that nobody has followed yet, oldest first."""
        from autogit.propose.ideas import waiting

        return waiting(self.ledger.ideas(), self.history)

    def _wiring(self) -> Wiring:
        from autogit.wiring import Wiring

        return Wiring(self.file, self.ledger, self.history, self._policy)

    @cached_property
    def _policy(self) -> Policy:
        from autogit.patch import Policy

        return Policy.of(self.config.train, self.ledger.prefix)
