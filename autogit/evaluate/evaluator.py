"""The Evaluator that the loop uses: readings of output, what runs amount to, and verdicts by the configured rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autogit.config.model import Config
from autogit.evaluate.comparison import Comparison, dead, incomplete
from autogit.evaluate.noise import means, pooled, scores
from autogit.evaluate.objective import broken_guard, objective, unreported
from autogit.evaluate.output import OutputReading, reading
from autogit.evaluate.rules import rule_of
from autogit.evaluate.summary import run_of
from autogit.history import History
from autogit.protocols import Execution, Judgement, More, Reading
from autogit.records import SIGMA, Curve, Record, Run, Verdict
from autogit.wording import counted

PROBES = 3
"""Runs of a baseline after which equal values mean that there is no noise."""


class StandardEvaluator:
    """Judges by what `config` says, with what `history` holds. Remembers nothing of its own.

    Raises ConfigError if `config` names an acceptance rule that there is not.
    """

    def __init__(self, config: Config, history: History) -> None:
        self._config = config
        self._history = history
        self._rule = rule_of(config)

    def reading(self, seed: int) -> OutputReading:
        """Makes a fresh reading of one run's output."""
        return reading(self._config, seed)

    def run(
        self, seed: int, reading: Reading, trained: Execution, evaluated: Execution | None
    ) -> tuple[Run, Curve | None]:
        """Returns what the run amounts to, with the metrics that need not be printed (docs/evaluation.md)."""
        assert isinstance(reading, OutputReading), "a reading comes from this evaluator's reading()"
        baseline = self._history.baseline
        goal = None if baseline is None else baseline.metrics.get("final_loss")
        return run_of(self._config, reading, trained, evaluated, goal)

    def decide(self, runs: Sequence[Run], incumbent: Record | None, history: History, lines: int) -> More | Judgement:
        """Returns the verdict, or the seeds that are needed first. Asked without runs, it names the first ones."""
        if incumbent is None:
            return dead(runs) or self._baseline(runs, history)
        config = self._config
        compared = objective(config, (history.baseline or incumbent).metrics)
        if judgement := dead(runs) or incomplete(runs, compared):
            return judgement
        if runs and (broken := broken_guard(config, means(runs))):
            return Judgement(Verdict.REJECTED, broken, means(runs))
        records = history.compared()
        seeds = self._rule.seeds(incumbent, history, runs)
        fresh = self._rule.fresh_seeds(incumbent, history)
        return self._rule.judge(Comparison(config, compared, runs, incumbent, records, lines, seeds, fresh))

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """Returns what the rule wants the provisional line to prove; None if nothing is due."""
        return self._rule.prove(line, history, ending)

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """Returns what `main` gained in all, as far as the rule wants that measured."""
        return self._rule.total(main, history)

    def _baseline(self, runs: Sequence[Run], history: History) -> More | Judgement:
        """Measures with as many seeds as the rule needs; a few equal results show that there is no noise."""
        config, found = self._config, means(runs)
        if runs and (absent := unreported(config, found)):
            return Judgement(Verdict.CRASHED, absent, found)
        compared = objective(config, found)
        done = scores(runs, compared.score)
        if lacking := incomplete(runs, compared):
            return replace(lacking, verdict=Verdict.CRASHED)
        wanted = self._rule.baseline_seeds
        seeds = self._rule.seeds(None, history, runs)[:wanted]
        equal = len(done) >= min(PROBES, wanted) and len(set(done.values())) == 1
        missing = tuple(seed for seed in seeds if seed not in done)
        if missing and not equal:
            return More(candidate=missing[: PROBES - len(done)] if len(done) < PROBES else missing)
        spread = pooled([list(done.values())])
        value = f"{config.metric.name} {found[config.metric.name]:.5g}"
        if spread is None:
            return Judgement(Verdict.ACCEPTED, f"{value} with one seed", found)
        sd, dof = spread
        many = counted(len(done), "seed")
        word = f"the same with {many}" if equal else f"mean of {many}, which differ by {sd:.3g}"
        if any(not history.comparable(record) for record in history):
            value += "; trials before it had another command, metric, budget, evaluator or data, and do not compare"
        broken = broken_guard(config, found)
        reason = f"{value} ({word})" + (f"; {broken}" if broken else "")
        return Judgement(Verdict.ACCEPTED, reason, found, {SIGMA: 2**0.5 * sd, "dof": float(dof)})
