"""Real loops on the shipped workspace: real git, real training of any proposal, charged in compute.

    OMP_NUM_THREADS=1 python benchmarks/search_live.py run LIVE.jsonl [--budget 24] [--repetitions 3] [--part 0/2]
    python benchmarks/search_live.py show LIVE.jsonl

Each line of the file is one method's repetition: what it picked, the loss it believed, and the pick's loss with five
fresh seeds. Runs are short (search_table.FLOPS) and forks of a process that has imported PyTorch, with the numbers of
the workspace's own commands (search_table.py check). They are not confined, as autogit's own executor would do it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np
import optuna
import search_points as points
import search_table as table
from search_methods import research
from search_task import Trace

from autogit.config.load import ConfigFile
from autogit.config.model import Config
from autogit.errors import Interrupted
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.patch import Policy
from autogit.propose import build_portfolio
from autogit.propose.patterns import catalogue
from autogit.propose.rewriting import rewrite
from autogit.propose.search.domains import draw
from autogit.propose.search.parameters import edited, find, same
from autogit.protocols import Ending, Execution, Job, Monitor
from autogit.records import Scalar, Value
from autogit.setup.templates import copy_template
from autogit.trial.jobs import JobMaker
from autogit.wiring import Wiring

FRESH = range(90_001, 90_006)
Files = Mapping[str, str]


class Forks:
    """`protocols.Executor` whose runs are forks of this process, counted in full runs' worth of compute."""

    def __init__(self, budget: float) -> None:
        self.spent = 0.0
        self.reserve = 0.0
        self._budget = budget

    @property
    def tier(self) -> str:
        return "none"

    @property
    def environment(self) -> Mapping[str, Scalar]:
        return {"device": "cpu", "threads": 1}

    def variables(self, slot: int, seed: int) -> Mapping[str, str]:
        return {}

    def run(self, job: Job, monitor: Monitor, cancel: Event) -> Execution:
        arguments = job.command.split()
        if "budget.py" in arguments:
            try:
                return _ended(0, 0.0, f"steps: {table._budget(job.checkout)[1]}")
            except (AssertionError, ValueError) as error:
                return _ended(1, 0.0, str(error))
        if "evaluate.py" in arguments:
            ok, printed = table._forked(job.checkout, partial(table._evaluate, job.out))
            return _ended(0 if ok else 1, 0.0, f"val_loss: {printed}" if ok else printed)
        if self.spent >= self._budget - self.reserve:
            raise Interrupted("the compute is used up")
        steps = int(arguments[arguments.index("--steps") + 1])
        reached, execution = _train(job.checkout, arguments[arguments.index("train.py") :], monitor)
        self.spent += reached / steps
        return execution


def _ended(status: int, seconds: float, log: str) -> Execution:
    return Execution(Ending.EXITED, status, seconds, None, log, "" if status == 0 else log.strip()[-200:])


def _train(folder: Path, arguments: list[str], monitor: Monitor) -> tuple[int, Execution]:
    """(steps made, how it went) of train.py, whose lines the monitor hears as they come; time is charged by steps."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        table._become(folder, sending, partial(table._script, "train.py", arguments))
    os.close(sending)
    log, step = [], 0
    with os.fdopen(receiving, errors="replace") as lines:
        for line in lines:
            log.append(line)
            if line.startswith("step "):
                step = int(line.split()[1])
            halt = monitor.line(line.rstrip("\n"), 0.0)
            if halt is not None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return step, Execution(Ending.HALTED, None, step / 10, None, "".join(log), halt.reason, halt)
    _, status = os.waitpid(child, 0)
    return step, _ended(os.waitstatus_to_exitcode(status), step / 10, "".join(log[-40:]))


def measure(files: Files, seed: int) -> float | None:
    """The validation loss of these files trained with `seed`; None where they do not train."""
    text = tuple(sorted(files.items()))
    with table._folder(files) as folder:
        if text not in _steps:
            try:
                _steps[text] = table._budget(folder)[1]
            except (AssertionError, ValueError):
                return None
        found: float | None = table.trained(folder, seed, _steps[text])["val_loss"]
        return found


_steps: dict[tuple[tuple[str, str], ...], int] = {}
"""Steps that the compute of a run pays for, by files."""


# ---- methods: (budget in full runs, repetition) -> trace of picks, as files


def greedy(budget: float, repetition: int) -> tuple[Files, float]:
    """One random change (a parameter's value or a pattern), one run, kept if its loss is lower; seed 1 throughout."""
    rng = np.random.default_rng([repetition, 1])
    now: Files = points.files()
    best, spent = measure(now, 1), 1
    assert best is not None
    while spent < budget:
        new = _changed(now, rng)
        if new is None:
            continue
        loss = measure(new, 1)
        spent += 1
        if loss is not None and loss < best:
            now, best = new, loss
    return now, best


def _changed(files: Files, rng: np.random.Generator) -> Files | None:
    space, command = points.shipped().space, points.shipped().train.command
    found = find(space, files, command)
    moves = [*found.parameters.values(), *catalogue()]
    move = moves[rng.integers(len(moves))]
    if hasattr(move, "variants"):
        after = rewrite(move, files)
    else:
        value = draw(move.domain, rng)
        if same(value, move.value) or not found.allowed(space, {move.name: value}):
            return None
        after = edited(found, files, {move.name: value})
    return {**files, **after} if after else None


def tpe(budget: float, repetition: int) -> tuple[Files, float]:
    """The declared parameters, one run each with seed 1, the shipped values first."""
    space, command = points.shipped().space, points.shipped().train.command
    found = find(space, points.files(), command)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=repetition))
    study.enqueue_trial({name: parameter.value for name, parameter in found.parameters.items()})
    best: tuple[float, Files] | None = None
    spent = 0
    while spent < budget:
        trial = study.ask()
        values: dict[str, Value] = {}
        for name, domain in space.parameters.items():
            if hasattr(domain, "values"):
                values[name] = trial.suggest_categorical(name, list(domain.values))
            elif domain.integer:
                values[name] = trial.suggest_int(name, int(domain.low), int(domain.high))
            else:
                values[name] = trial.suggest_float(name, domain.low, domain.high, log=domain.log)
        files = points.files() | (edited(found, points.files(), values) or {})
        loss = measure(files, 1) if found.allowed(space, values) else None
        if loss is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            spent += found.allowed(space, values)
            continue
        spent += 1
        study.tell(trial, loss)
        best = min(best or (loss, files), (loss, files), key=lambda pair: pair[0])
    assert best is not None
    return best[1], best[0]


def autogit(rule: str, budget: float, repetition: int) -> tuple[Files, float]:
    """The whole loop: all proposers, the whole catalogue, the declared space."""
    with TemporaryDirectory() as name:
        folder = Path(name, "lab")
        copy_template("gpt", folder)
        file = table.load(folder / ".autoresearch.toml")
        config: Config = replace(
            file.config,
            budget=replace(file.config.budget, flops=table.FLOPS),
            evaluate=replace(file.config.evaluate, holdout=""),
            limits=replace(file.config.limits, trials=None),
            accept=replace(file.config.accept, rule=rule),
        )
        policy = Policy.of(config.train, "")
        ledger = GitLedger(ConfigFile(file.path, file.text, config), policy.allows)
        wiring = Wiring(ConfigFile(file.path, file.text, config), ledger, History(config.metric), policy)
        trace = Trace()
        with ledger.lock():
            research(
                config, ledger, Forks(budget), wiring.land, JobMaker(config, folder), build_portfolio(config),
                repetition, trace, ledger.main, wiring.history,
            )  # fmt: skip
        print("\n".join(f"  {line[:170]}" for line in trace.log), file=sys.stderr, flush=True)
        best = wiring.history.best()
        assert best is not None
        return dict(ledger.files(ledger.main())), best.metrics["val_loss"]


def ledger_history(config: Config, ledger: GitLedger):
    from autogit.history import History

    return History(config.metric, ledger.records(), ledger.line)


METHODS: dict[str, Callable[[float, int], tuple[Files, float]]] = {
    "autogit": partial(autogit, "race"),
    "TPE": tpe,
    "greedy loop": greedy,
    "autogit, stack": partial(autogit, "stack"),
}


def run(path: Path, budget: float, repetitions: int, part: int, parts: int) -> None:
    """Appends a line for each method and repetition that the file lacks."""
    import torch  # noqa: F401

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table._share_the_text()
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(line["method"], line["repetition"]) for line in done}
    jobs = [(repetition, name) for repetition in range(repetitions) for name in METHODS]
    jobs.sort(key=lambda job: job[1] == "autogit, stack")
    for repetition, name in jobs[part::parts]:
        if (name, repetition) in known:
            continue
        print(f"{name}, repetition {repetition}", file=sys.stderr, flush=True)
        files, believed = METHODS[name](budget, repetition)
        fresh = [measure(files, seed) for seed in FRESH]
        line = {"method": name, "repetition": repetition, "budget": budget, "believed": believed, "fresh": fresh}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def show(path: Path) -> None:
    """Prints a row for each method: the pick's loss on fresh seeds, and by how much the method flattered itself."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    print(f"{'method':20} {'repetitions':>11} {'fresh loss, each':>28} {'mean':>8} {'fresh - believed':>17}")
    for name in METHODS:
        rows = sorted((line for line in lines if line["method"] == name), key=lambda line: line["repetition"])
        if rows:
            means = [float(np.mean(line["fresh"])) for line in rows]
            bias = np.mean([mean - line["believed"] for mean, line in zip(means, rows, strict=True)])
            each = ", ".join(f"{mean:.3f}" for mean in means)
            print(f"{name:20} {len(rows):>11} {each:>28} {np.mean(means):>8.3f} {bias:>+17.3f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "show"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--budget", type=float, default=24.0, help="full runs' worth of compute (default 24)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    if options.command == "run":
        run(options.path, options.budget, options.repetitions, *map(int, options.part.split("/")))
    else:
        show(options.path)


if __name__ == "__main__":
    main()
