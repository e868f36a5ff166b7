"""The Evaluator that the loop uses: readings of output, runs, and verdicts by the configured rule."""

from __future__ import annotations

from collections.abc import Sequence

from autogit.config.model import Config
from autogit.evaluate.amount import run_of
from autogit.evaluate.decision import decide
from autogit.evaluate.output import OutputReading, reading
from autogit.history import History
from autogit.protocols import Execution, Judgement, More, Reading
from autogit.records import Curve, Record, Run


class StandardEvaluator:
    """Judges by what `config` says. All it remembers is the baseline's final loss, which the runs after it race to."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._goal: float | None = None

    def reading(self, seed: int) -> OutputReading:
        """A fresh reading of one run's output."""
        return reading(self._config, seed)

    def run(
        self, seed: int, reading: Reading, trained: Execution, evaluated: Execution | None
    ) -> tuple[Run, Curve | None]:
        """What the run amounts to, with the metrics that need not be printed (docs/evaluation.md lists them)."""
        assert isinstance(reading, OutputReading), "a reading comes from this evaluator's reading()"
        return run_of(self._config, reading, trained, evaluated, self._goal)

    def decide(self, runs: Sequence[Run], incumbent: Record | None, history: History, lines: int) -> More | Judgement:
        """The verdict, or the seeds that are needed first. Asked without runs, it names the first ones."""
        if history.baseline is not None:
            self._goal = history.baseline.metrics.get("final_loss")
        return decide(self._config, runs, incumbent, history, lines)
