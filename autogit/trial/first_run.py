"""The training command started once, as a loop starts it, for a few seconds: what becomes of it tells what is amiss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogit.history import History
from autogit.protocols import Evaluator, Execution, Halt, Judgement, More, Reading
from autogit.records import BASELINE, Curve, Record, Run, RunStatus, Trial
from autogit.trial.measure import Measured, Measurement

PATIENCE_SECONDS = 30.0
"""A run that has not shown the metric by then is ended; what it has said so far is all there is to tell."""
SETTLE_SECONDS = 4.0
"""A run goes on for so long after it has shown the metric: a short one then ends by itself, which tells more."""
FOLDER = "first-run"
"""The folder in the lab's private one where these runs write; it is emptied afterwards."""
_ENOUGH = "enough was seen"


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What became of the training command."""

    measured: Measured
    value: float | None
    """The metric when it was first read."""
    line: str
    """The line of output that it was read from."""
    seconds: float
    """When it was read, from the start of the run."""
    reports: int
    """How many values of it were read."""
    last_seconds: float
    """When the last of them was read, from the start of the run."""
    step: int | None
    """The last step that was reported."""
    step_seconds: float
    """When that step was reported, from the start of the run."""

    @property
    def run(self) -> Run:
        """The run, judged as the loop would judge it."""
        return self.measured.run

    @property
    def ended(self) -> bool:
        """Whether the command ended by itself; else it was stopped after a few seconds, and nothing is known of its
        end."""
        return self.run.reason != _ENOUGH

    @property
    def worked(self) -> bool:
        """Whether nothing went wrong as far as it came."""
        return not self.ended or self.run.status.counts


class Glance:
    """An Evaluator that ends each run once enough was seen of it, and remembers where the metric was read."""

    def __init__(self, evaluator: Evaluator, metric: str, evaluated: bool) -> None:
        """`evaluated`: a command of its own measures the metric, so that what training prints is not it."""
        self._evaluator = evaluator
        self._metric = metric
        self._evaluated = evaluated
        self.reading_of_last_run: GlancingReading | None = None

    def reading(self, seed: int) -> Reading:
        """Returns a fresh reading that stops listening early."""
        metric = None if self._evaluated else self._metric
        self.reading_of_last_run = GlancingReading(self._evaluator.reading(seed), metric)
        return self.reading_of_last_run

    def run(
        self, seed: int, reading: Reading, trained: Execution, evaluated: Execution | None
    ) -> tuple[Run, Curve | None]:
        """Returns what the inner evaluator makes of the run."""
        assert isinstance(reading, GlancingReading), "a reading comes from this evaluator's reading()"
        return self._evaluator.run(seed, reading.inner, trained, evaluated)

    def decide(self, runs: Sequence[Run], incumbent: Record | None, history: History, lines: int) -> More | Judgement:
        """Returns what the inner evaluator decides."""
        return self._evaluator.decide(runs, incumbent, history, lines)

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> None:
        """Proves nothing."""

    def total(self, main: Record, history: History) -> None:
        """Measures nothing in all."""


class GlancingReading:
    """A Reading that ends the run when the metric was read, or after `PATIENCE_SECONDS`."""

    def __init__(self, inner: Reading, metric: str | None) -> None:
        self.inner = inner
        self.value: float | None = None
        self.text = ""
        self.seconds = 0.0
        self.reports = 0
        self.last_seconds = 0.0
        self._last = math.nan
        self.step_seconds = 0.0
        self._metric = metric

    @property
    def step(self) -> int | None:
        """The last step that was reported."""
        return self.inner.step

    @property
    def loss(self) -> float | None:
        """The monitored loss at that step."""
        return self.inner.loss

    @property
    def metrics(self) -> Mapping[str, float]:
        """What was read so far."""
        return self.inner.metrics

    def followed(self, name: str) -> float | None:
        """What a series says at that step."""
        return self.inner.followed(name)

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line, and remembers the one that first had the metric."""
        before = self.inner.step
        halt = self.inner.line(text, seconds)
        if self.inner.step != before:
            self.step_seconds = seconds
        value = None if self._metric is None else self.inner.metrics.get(self._metric)
        if value is not None and math.isfinite(value) and value != self._last:
            if self.value is None:
                self.value, self.text, self.seconds = value, text, seconds
            self.reports, self.last_seconds, self._last = self.reports + 1, seconds, value
        return halt or self._enough(seconds)

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Looks at the time."""
        return self._enough(seconds)

    def _enough(self, seconds: float) -> Halt | None:
        patience = PATIENCE_SECONDS if self.value is None else self.seconds + SETTLE_SECONDS
        return Halt(RunStatus.PRUNED, _ENOUGH) if seconds >= patience else None


def first_run(measurement: Measurement, glance: Glance, commit: str, seed: int) -> FirstRun:
    """Starts the training command of `commit` with `seed` in slot 0, whose lab is held. Raises Interrupted."""
    trial = Trial("0", commit, commit, "First run", BASELINE, BASELINE)
    measured = measurement.run(trial, seed, 0, None)
    reading = glance.reading_of_last_run
    assert reading is not None, "a measurement asks its evaluator for a reading"
    return FirstRun(
        measured, reading.value, reading.text, reading.seconds, reading.reports, reading.last_seconds,
        reading.step, reading.step_seconds,
    )  # fmt: skip
