"""How much training the pruning rule saves and how many winners it loses, beside Optuna's pruners.

    python benchmarks/pruning.py --record LAB [LAB ...] > CURVES.jsonl     # labs that ran with [prune] confidence = 0
    python benchmarks/pruning.py [CURVES.jsonl ...] [--confidence 0.95]

Without a file it replays what is in benchmarks/data: real loops of the shipped workspace with pruning off. A line is
one trial, in the order in which a lab made them, with every run in full:

    {"lab": "a", "trial": "12", "against": "3", "verdict": "rejected", "kind": "hyperparameters", "diff": "...",
     "runs": [{"seed": 1, "final": 2.87, "total": 400, "steps": [10, 20], "values": [4.1, 3.9]}]}

`against` is the incumbent then (a trial against itself is a baseline), `final` the primary metric, where lower is
better, `values` the monitored loss, `total` the steps of the whole run. Every run has the same budget, so a run counts
as one, however many steps it has. The rule is asked as in a loop, one trial after the other: it stops first runs only,
and learns from what it let finish; one stop in ten is let finish as an audit and saves nothing, but counts as lost
where it would have won. What a rule saves is told of the first runs, which it is asked about, and of the whole loop's
training: with a trial that is stopped, its later seeds are saved too. `ahead`: first runs that ended below the
incumbent's with the same seed, by however little; `accepted`: trials that the race accepted in the end.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna

from autogit import Lab
from autogit.config.model import Config, Metric, Prune, Train
from autogit.evaluate import pruning
from autogit.evaluate.pruning import CONFIDENCE, MONITOR, PrunerMaker
from autogit.history import History
from autogit.records import BASELINE, Curve, Record, Run, RunStatus, Trial, Verdict

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class FullRun:
    """One run to its end."""

    seed: int
    final: float
    total: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded trial."""

    lab: str
    trial: str
    against: str
    verdict: str
    kind: str
    diff: str
    warm_up: str
    """The lines of its code that set a warm-up."""
    runs: tuple[FullRun, ...]

    @property
    def is_baseline(self) -> bool:
        return self.trial == self.against

    def run(self, seed: int) -> FullRun | None:
        return next((run for run in self.runs if run.seed == seed), None)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One candidate under one rule. `saved`: of its first run; `later`: runs that it had besides."""

    line: Line
    ahead: bool
    """Its first run ended below the incumbent's with the same seed."""
    stopped: bool
    saved: float
    later: int


# ---- recording


def recorded(path: str) -> Iterator[Line]:
    """The trials of a lab whose runs all went to their end."""
    lab = Lab.open(path)
    for record in lab.trials():
        incumbent = lab.history.at(record.trial.base)
        curves = {curve.seed: curve for curve in lab.curves(record.id)}
        runs = tuple(
            FullRun(run.seed, run.metrics[lab.config.metric.name], run.step, curve.steps, curve.values)
            for run in record.runs
            if run.status is RunStatus.COMPLETED and run.step and (curve := curves.get(run.seed))
        )
        if runs and incumbent is not None and runs[0].seed == record.runs[0].seed:
            against = record.id if record.trial.is_baseline else incumbent.id
            diff = "" if record.trial.is_baseline else lab.diff(record.id)
            code = lab.ledger.files(record.trial.commit).values()
            warm = "\n".join(match.group() for text in code for match in pruning.WARM_UP.finditer(text))
            kind = record.trial.proposer
            yield Line(Path(path).name, record.id, against, record.verdict.value, kind, diff, warm, runs)


def read(paths: Sequence[Path]) -> list[Line]:
    """Recorded trials, in order; a file may be packed by xz."""
    lines = []
    for path in paths:
        with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
            for table in map(json.loads, file):
                runs = [{**run, "steps": tuple(run["steps"]), "values": tuple(run["values"])} for run in table["runs"]]
                lines.append(Line(**{**table, "runs": tuple(FullRun(**run) for run in runs)}))
    return lines


# ---- replaying


class Recorded:
    """The past of one lab, as far as the rule asks for it."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = {line.trial: line for line in lines}

    def diff(self, trial: str) -> str:
        return self._lines[trial].diff

    def curves(self, trial: str) -> tuple[Curve, ...]:
        return tuple(Curve(run.seed, MONITOR, run.steps, run.values) for run in self._lines[trial].runs)

    def files(self, commit: str) -> Mapping[str, str]:
        return {"train.py": self._lines[commit].warm_up}


def ours(lines: Sequence[Line], confidence: float) -> Iterator[Replayed]:
    """This project's rule, by the code that a loop uses."""
    history = History(Metric())
    stops = PrunerMaker(Config(Train(""), prune=Prune(confidence)), Recorded(lines), history)
    known = {line.trial: line for line in lines}
    for line in lines:
        trial = Trial(
            line.trial, commit=line.trial, base=line.against, title="", operator="",
            proposer=BASELINE if line.is_baseline else line.kind,
        )  # fmt: skip
        runs = tuple(Run(run.seed, RunStatus.COMPLETED, 0.0, run.total) for run in line.runs)
        if not line.is_baseline:
            first, halted = line.runs[0], None
            pruner = stops(trial, first.seed, history[line.against], first.total)
            for step, value in zip(first.steps, first.values, strict=True):
                if pruner and pruner.halt is None and (pruner.check(step, value) or pruner.halt):
                    halted = step
            audited = trial.number % pruning.SPARED_EVERY == 0
            yield replayed(line, known, halted, audited)
            if halted is not None and not audited and line.verdict != Verdict.ACCEPTED:
                runs = (Run(first.seed, RunStatus.PRUNED, 0.0, halted),)
        history.add(Record(trial, Verdict(line.verdict), "", runs=runs))


def theirs(lines: Sequence[Line], pruner: optuna.pruners.BasePruner) -> Iterator[Replayed]:
    """One of Optuna's, told of every first run in the same order, incumbents included."""
    study = optuna.create_study(pruner=pruner)
    known = {line.trial: line for line in lines}
    for line in lines:
        first, trial, halted = line.runs[0], study.ask(), None
        for step, value in zip(first.steps, first.values, strict=True):
            # In hundredths of the run: trials with different numbers of steps are compared at equal share.
            trial.report(value, round(100 * step / first.total))
            if not line.is_baseline and trial.should_prune():
                halted = step
                break
        if halted is None:
            study.tell(trial, first.values[-1])
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        if not line.is_baseline:
            yield replayed(line, known, halted, False)


def replayed(line: Line, known: Mapping[str, Line], halted: int | None, audited: bool) -> Replayed:
    first = line.runs[0]
    reference = known[line.against].run(first.seed)
    ahead = reference is not None and first.final < reference.final
    spared = halted is not None and not audited
    saved = max(0.0, 1 - halted / first.total) if halted is not None and spared else 0.0
    return Replayed(line, ahead, halted is not None, saved, len(line.runs) - 1 if spared else 0)


# ---- telling


def table(lines: Sequence[Line], rules: Mapping[str, Callable[[Sequence[Line]], Iterable[Replayed]]]) -> Iterator[str]:
    """What each rule saves and loses, by kind of proposal and over all."""
    labs = [[line for line in lines if line.lab == lab] for lab in dict.fromkeys(line.lab for line in lines)]
    yield f"{'':18} {'':15} {'':6} {'saved, of':>11} {'saved, of':>13} {'lost, of':>9} {'lost, of':>9}"
    yield f"{'rule':18} {'proposals':>15} trials {'first runs':>11} {'all training':>13} {'ahead':>9} {'accepted':>9}"
    for name, rule in rules.items():
        every = [run for lab in labs for run in rule(lab)]
        for kind in (*sorted({run.line.kind for run in every}), "all"):
            chosen = [run for run in every if kind in (run.line.kind, "all")]
            first = sum(run.saved for run in chosen) / len(chosen)
            made = sum(len(line.runs) for line in lines) if kind == "all" else sum(len(r.line.runs) for r in chosen)
            training = sum(run.saved + run.later for run in chosen) / made
            ahead = [run.stopped for run in chosen if run.ahead]
            accepted = [run.stopped for run in chosen if run.line.verdict == Verdict.ACCEPTED]
            yield (
                f"{name:18} {kind:>15} {len(chosen):6} {first:11.1%} {training:13.1%} "
                f"{sum(ahead):3} of {len(ahead):2} {sum(accepted):3} of {len(accepted):2}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("curves", type=Path, nargs="*")
    parser.add_argument("--record", nargs="+", metavar="LAB")
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    arguments = parser.parse_args()
    if arguments.record:
        for line in (line for lab in arguments.record for line in recorded(lab)):
            print(json.dumps(asdict(line)))
        return
    lines = read(arguments.curves or sorted(DATA.glob("*.jsonl.xz")))
    if not any(not line.is_baseline for line in lines):
        sys.exit("there is no recorded trial to replay")
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruners = {
        "optuna median": lambda: optuna.pruners.MedianPruner(n_warmup_steps=20),
        "optuna hyperband": lambda: optuna.pruners.HyperbandPruner(4, 100),
        "optuna wilcoxon": lambda: optuna.pruners.WilcoxonPruner(n_startup_steps=5),
    }
    rules: dict[str, Callable[[Sequence[Line]], Iterable[Replayed]]] = {
        "paired (default)": lambda lab: ours(lab, arguments.confidence)
    }
    rules |= {name: (lambda lab, make=make: theirs(lab, make())) for name, make in pruners.items()}
    print(f"{len(lines)} trials, {sum(len(line.runs) for line in lines)} full runs")
    for row in table(lines, rules):
        print(row)


if __name__ == "__main__":
    main()
