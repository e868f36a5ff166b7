"""Who listens to a run while it runs: the reading of its output, the pruner, the display."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from autogit.protocols import Halt, Reading
from autogit.records import RunStatus


class Pruner(Protocol):
    """Asked at each reported step whether the run may go on."""

    halt: Halt | None
    """Its first verdict, also where the run was allowed to finish for an audit."""

    def check(self, step: int, loss: float, share: float | None = None) -> Halt | None:
        """Takes the loss reported at `step`; the run ends where a Halt comes back.

        `share` of the budget that is spent, where the steps do not tell it.
        """


Prune = Callable[[int | None], Pruner | None]
"""(steps of the run, where they are known) -> its pruner, where there is a curve to compare with."""


class Deaf:
    """A monitor for what nobody watches."""

    def line(self, text: str, seconds: float) -> Halt | None:
        """Goes on."""
        return None


class Watch:
    """The monitor of a training run: the reading listens first, then the pruner, and the display is told."""

    def __init__(
        self,
        reading: Reading,
        pruner: Pruner | None,
        tell: Callable[[float], None],
        until: int | None = None,
        budget: float | None = None,
    ) -> None:
        """`until`: the step at which the run has done enough. `budget`: its seconds, where time is what it spends."""
        self._until = until
        self._budget = budget
        self._began: float | None = None
        self._reading = reading
        self._pruner = pruner
        self._tell = tell

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line; a new step is looked at by the pruner."""
        before = self._reading.step
        halt = self._reading.line(text, seconds)
        step, loss = self._reading.step, self._reading.loss
        if step is None or step == before:
            return halt
        self._tell(seconds)
        if self._began is None:
            self._began = seconds
        if halt is None and self._until is not None and step >= self._until:
            return Halt(RunStatus.TRUNCATED, f"reached step {step}")
        if halt is None and self._pruner is not None and loss is not None:
            return self._pruner.check(step, loss, self._spent(seconds))
        return halt

    def _spent(self, seconds: float) -> float | None:
        """Share of the time, counted from the first report: until then there was nothing to compare."""
        if self._budget is None or self._began is None or self._budget <= self._began:
            return None
        return (seconds - self._began) / (self._budget - self._began)
