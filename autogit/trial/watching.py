"""Who listens to a run while it runs: the reading of its output, the pruner, the display."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Goes on."""
        return None


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a run is at one moment: what can be told of it also while it prints nothing."""

    seconds: float
    """Since it started."""
    quiet: float
    """Seconds since it last printed a line."""
    line: str
    """The last line that it printed."""
    cores: float | None
    """Processor cores that it kept busy in the last second or so; None if that is not known."""


class Watch:
    """The monitor of a training run: the reading listens first, then the pruner, and the display is told."""

    def __init__(
        self,
        reading: Reading,
        pruner: Pruner | None,
        tell: Callable[[Pulse], None],
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
        self._heard, self._text = 0.0, ""
        self._used: tuple[float, float] | None = None
        self._cores: float | None = None

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line; a new step is looked at by the pruner."""
        before = self._reading.step
        self._heard, self._text = seconds, text if text.strip() else self._text
        halt = self._reading.line(text, seconds)
        step, loss = self._reading.step, self._reading.loss
        if step is None or step == before:
            return halt
        self._tell(self._pulse(seconds))
        if self._began is None:
            self._began = seconds
        if halt is None and self._until is not None and step >= self._until:
            return Halt(RunStatus.TRUNCATED, f"reached step {step}")
        if halt is None and self._pruner is not None and loss is not None:
            return self._pruner.check(step, loss, self._spent(seconds))
        return halt

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Tells the display that the run goes on, whether or not it prints; `cpu` in seconds since its start."""
        if cpu is not None:
            if self._used is not None and seconds > self._used[0]:
                self._cores = max(0.0, cpu - self._used[1]) / (seconds - self._used[0])
            self._used = seconds, cpu
        self._tell(self._pulse(seconds))
        return self._reading.tick(seconds, cpu)

    def _pulse(self, seconds: float) -> Pulse:
        return Pulse(seconds, max(0.0, seconds - self._heard), self._text, self._cores)

    def _spent(self, seconds: float) -> float | None:
        """Share of the time, counted from the first report: until then there was nothing to compare."""
        if self._budget is None or self._began is None or self._budget <= self._began:
            return None
        return (seconds - self._began) / (self._budget - self._began)
