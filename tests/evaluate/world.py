"""A small world to judge in: a lab whose runs are numbers, made through the evaluator's own reading and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autogit.config.load import parse
from autogit.config.model import Config
from autogit.evaluate import StandardEvaluator
from autogit.history import History
from autogit.protocols import Ending, Execution, Judgement
from autogit.records import BASELINE, Record, Run, RunStatus, Trial

Result = Callable[[str, int], dict[str, float]]
"""(trial, seed) -> the metrics of that run."""


def config(text: str = "") -> Config:
    return parse(f'[train]\ncommand = "python train.py"\n{text}')


def execution(log: str = "", **facts: object) -> Execution:
    return replace(Execution(Ending.EXITED, 0, 5.0, 2**28, log), **facts)  # type: ignore[arg-type]


def trial(number: str, base: str | None = None) -> Trial:
    """Trial `number` with commit `cN` on `base`, or a baseline."""
    proposer = "person" if base else BASELINE
    return Trial(number, f"c{number}", base or f"c{number}", "", proposer, "")


def run(seed: int, status: RunStatus = RunStatus.COMPLETED, reason: str = "", **metrics: float) -> Run:
    return Run(seed, status, 5.0, None, metrics, reason)


class World:
    """Keeps a history; `judge` does what the loop does with a trial."""

    def __init__(self, settings: Config, result: Result) -> None:
        self.history = History(settings.metric)
        self.evaluator = StandardEvaluator(settings, self.history)
        self.result = result

    def judge(self, number: str, base: str | None = None, lines: int = 1) -> Record:
        """Runs what is asked for until there is a verdict, and remembers it."""
        made, runs = trial(number, base), []
        while True:
            incumbent = None if base is None else self.history.at(base)
            decision = self.evaluator.decide(runs, incumbent, self.history, lines)
            if isinstance(decision, Judgement):
                break
            assert decision.candidate or decision.incumbent, "asks for nothing and decides nothing"
            if incumbent is not None:
                more = tuple(self.run(incumbent.id, seed) for seed in decision.incumbent)
                self.history.add(replace(incumbent, runs=incumbent.runs + more))
            runs += [self.run(number, seed) for seed in decision.candidate]
        record = Record(made, decision.verdict, decision.reason, decision.metrics, tuple(runs),
                        statistics=decision.statistics)  # fmt: skip
        self.history.add(record)
        return record

    def run(self, number: str, seed: int) -> Run:
        return run(seed, **self.result(number, seed))


def noisy(levels: dict[str, float], spread: float = 0.05, own: float = 0.01) -> Result:
    """A val_loss for each trial's level: noise that all trials share at a seed, and noise of their own."""

    def result(number: str, seed: int) -> dict[str, float]:
        shared = spread * np.random.default_rng([seed]).standard_normal()
        mine = own * np.random.default_rng([seed, int(number)]).standard_normal()
        return {"val_loss": levels[number] + shared + mine}

    return result
