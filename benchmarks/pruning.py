"""How much training the pruning rule saves and how many winners it loses, beside Optuna's pruners.

    python benchmarks/pruning.py CURVES.jsonl [--confidence 0.95]

CURVES.jsonl holds one full run a line, in the order in which the trials were made, none of them stopped early:

    {"trial": "12", "against": "0", "seed": 1, "kind": "mutation", "final": 2.87,
     "steps": [10, 20], "values": [4.1, 3.9], "total": 400, "warmup": 20,
     "touches_loss": false, "changes_schedule": false}

`against` is the trial that was the incumbent then (a trial that is its own incumbent is a baseline, and is not judged),
`final` the primary metric, where lower is better, `values` the monitored loss, `total` the steps of the whole run and
`warmup` the step at which the trial's own warm-up ends. Noise between seeds comes from trials with several seeds.
A winner is a trial whose `final` is below its incumbent's with the same seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import optuna

from autogit.execute.pruning import CONFIDENCE, Calibration, Course, Pruner, seed_noise
from autogit.records import Curve


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded run."""

    trial: str
    against: str
    seed: int
    kind: str
    final: float
    steps: tuple[int, ...]
    values: tuple[float, ...]
    total: int
    warmup: int = 0
    touches_loss: bool = False
    changes_schedule: bool = False

    @property
    def course(self) -> Course:
        return Course(Curve(self.seed, "loss", self.steps, self.values), self.total)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One candidate under one rule."""

    line: Line
    wins: bool
    stopped_at: int | None

    @property
    def saved(self) -> int:
        return 0 if self.stopped_at is None else max(0, self.line.total - self.stopped_at)


def read(path: Path) -> list[Line]:
    """The recorded runs, in order."""
    lines = []
    for text in path.read_text().splitlines():
        table = json.loads(text)
        lines.append(Line(**{**table, "steps": tuple(table["steps"]), "values": tuple(table["values"])}))
    return lines


def paired(lines: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Each candidate with its incumbent's run of the same seed, where there is one."""
    runs = {(line.trial, line.seed): line for line in lines}
    for line in lines:
        reference = runs.get((line.against, line.seed))
        if line.trial != line.against and reference is not None:
            yield line, reference


def ours(lines: Sequence[Line], confidence: float, calibrated: bool) -> list[Replayed]:
    """This project's rule. It learns only from runs that it let finish."""
    groups: dict[str, list[Course]] = defaultdict(list)
    for line in lines:
        groups[line.trial].append(line.course)

    @cache
    def sigma(share: float) -> float | None:
        return seed_noise(list(groups.values()), share)

    finished: list[tuple[Course, Course]] = []
    replayed = []
    for line, reference in paired(lines):
        stopped = None
        if not line.touches_loss:
            pruner = Pruner(
                reference.course,
                line.total,
                sigma,
                Calibration(tuple(finished)) if calibrated else None,
                confidence,
                warmup_end=line.warmup,
                schedule_changed=line.changes_schedule,
            )
            stopped = next((s for s, v in zip(line.steps, line.values, strict=True) if pruner.check(s, v)), None)
            if stopped is None:
                finished.append((line.course, reference.course))
        replayed.append(Replayed(line, line.final < reference.final, stopped))
    return replayed


def theirs(lines: Sequence[Line], pruner: optuna.pruners.BasePruner) -> list[Replayed]:
    """One of Optuna's, told of every run in the same order, incumbents included."""
    study = optuna.create_study(pruner=pruner)
    finals = {(line.trial, line.seed): line.final for line in lines}
    replayed = []
    for line in lines:
        trial, stopped = study.ask(), None
        for step, value in zip(line.steps, line.values, strict=True):
            trial.report(value, step)
            if line.trial != line.against and trial.should_prune():
                stopped = step
                break
        if stopped is None:
            study.tell(trial, line.values[-1])
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        reference = finals.get((line.against, line.seed))
        if line.trial != line.against and reference is not None:
            replayed.append(Replayed(line, line.final < reference, stopped))
    return replayed


def table(rules: dict[str, Callable[[], list[Replayed]]]) -> Iterator[str]:
    """Share of steps saved and winners lost, by kind of proposal and over all."""
    yield f"{'rule':32} {'proposals':>12} {'runs':>5} {'steps saved':>12} {'winners lost':>13}"
    for name, replay in rules.items():
        replayed = replay()
        kinds = sorted({run.line.kind for run in replayed})
        for kind in (*kinds, "all"):
            chosen = [run for run in replayed if kind in (run.line.kind, "all")]
            saved = sum(run.saved for run in chosen) / sum(run.line.total for run in chosen)
            winners = [run for run in chosen if run.wins]
            lost = sum(run.stopped_at is not None for run in winners)
            yield f"{name:32} {kind:>12} {len(chosen):5} {saved:12.1%} {lost:6} of {len(winners):3}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("curves", type=Path)
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    arguments = parser.parse_args()
    lines = read(arguments.curves)
    if not any(True for _ in paired(lines)):
        sys.exit(f"{arguments.curves}: no run has its incumbent's run of the same seed beside it")
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warmup = min(line.total for line in lines) // 5
    most = max(line.total for line in lines)
    rules: dict[str, Callable[[], list[Replayed]]] = {
        "paired, calibrated (default)": lambda: ours(lines, arguments.confidence, True),
        "paired, noise alone": lambda: ours(lines, arguments.confidence, False),
        "optuna median": lambda: theirs(lines, optuna.pruners.MedianPruner(n_warmup_steps=warmup)),
        "optuna hyperband": lambda: theirs(lines, optuna.pruners.HyperbandPruner(max(1, most // 27), most)),
        "optuna wilcoxon": lambda: theirs(lines, optuna.pruners.WilcoxonPruner(n_startup_steps=5)),
    }
    for row in table(rules):
        print(row)


if __name__ == "__main__":
    main()
