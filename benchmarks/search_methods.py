"""The methods that benchmarks/search.py compares, each as a function from a task to its picks as compute is spent."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import optuna
import search_table as table
from search_world import POINTS, MemoryLedger, Table, TableExecutor, configuration, land

from autogit.config import Config
from autogit.evaluate import StandardEvaluator, due_certificate
from autogit.events import Closed, Event, silent
from autogit.history import History
from autogit.judging import Rooms
from autogit.landing import Land
from autogit.loop import Loop
from autogit.measurement import Measurement
from autogit.propose import portfolio
from autogit.propose.hyperparameters import HyperparameterProposer
from autogit.propose.turns import Portfolio
from autogit.protocols import Context, Executor, Ledger, Proposer
from autogit.recipe import Recipe
from autogit.records import Value
from autogit.stopping import Stops

optuna.logging.set_verbosity(optuna.logging.WARNING)
SEED = 1
"""What the peers train with: one seed for all, so that seed noise disturbs their comparisons least."""
REPEATS = 200
"""Settings that are known already, in a row, after which a peer has seen its space."""


@dataclass(frozen=True, slots=True)
class Task:
    """One repetition on one track."""

    measured: Table
    values: dict[str, tuple[Value, ...]]
    """The hyperparameters that may be changed, and to what."""
    patterns: tuple[str, ...]
    budget: float
    """In full runs' worth of compute; all training counts."""
    repetition: int

    def key(self, setting: dict[str, Any]) -> str:
        """The configuration of a setting: hyperparameters by value, patterns by whether they are applied."""
        values = {**dict(table.start().values), **{name: setting[name] for name in self.values}}
        return table.Point(tuple(values.items()), tuple(n for n in self.patterns if setting[n])).key

    def options(self) -> dict[str, tuple[Value, ...]]:
        """Every dimension with its values."""
        return {**self.values, **dict.fromkeys(self.patterns, (False, True))}

    def baseline(self) -> dict[str, Any]:
        """The shipped code as a setting."""
        return {
            **{name: dict(table.start().values)[name] for name in self.values},
            **dict.fromkeys(self.patterns, False),
        }


@dataclass(slots=True)
class Trace:
    """What a method would hand over at any time."""

    spent: list[float] = field(default_factory=list)
    picks: list[str] = field(default_factory=list)
    trials: int = 0
    log: list[str] = field(default_factory=list)

    def add(self, spent: float, pick: str) -> None:
        self.spent.append(spent)
        self.picks.append(pick)

    def at(self, spent: float) -> str:
        """The pick once that much is spent; the first one before there is any other."""
        return self.picks[max(0, int(np.searchsorted(self.spent, spent, side="right")) - 1)]


Method = Callable[[Task], Trace]


# ---- the peers


def greedy(task: Task) -> Trace:
    """One random change of the incumbent, one run; kept if its loss is lower."""
    rng = np.random.default_rng([task.repetition, 1])
    options, now = task.options(), task.baseline()
    seen = {task.key(now): task.measured.run(task.key(now), SEED, task.repetition).loss}
    trace = Trace()
    spent, repeated = 1.0, 0
    trace.add(spent, task.key(now))
    while spent < task.budget and repeated < REPEATS:
        name = list(options)[rng.integers(len(options))]
        others = [value for value in options[name] if value != now[name]]
        new = {**now, name: others[rng.integers(len(others))]}
        key = task.key(new)
        repeated = repeated + 1 if key in seen else 0
        if key not in seen:
            seen[key] = task.measured.run(key, SEED, task.repetition).loss
            spent += 1
            trace.trials += 1
        if seen[key] < seen[task.key(now)]:
            now = new
        trace.add(spent, task.key(now))
    return trace


def optimiser(sampler: Callable[[int], Any], pruner: Callable[[], Any], task: Task, free: bool = False) -> Trace:
    """Ask, train, tell. What is asked for again is trained again, as these tools do; with `free` it costs nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=sampler(task.repetition), pruner=pruner())
    distributions = {n: optuna.distributions.CategoricalDistribution(v) for n, v in task.options().items()}
    distributions |= {
        name: optuna.distributions.IntDistribution(0, len(listed) - 1) for name, listed in task.values.items()
    }
    study.enqueue_trial({n: v if n in task.patterns else task.values[n].index(v) for n, v in task.baseline().items()})
    seen: dict[str, float | None] = {}
    trace = Trace()
    spent, repeated, best, found_best = 0.0, 0, "", 0.0
    while spent < task.budget and repeated < REPEATS:
        trial = study.ask(distributions)
        setting = {n: v if n in task.patterns else task.values[n][v] for n, v in trial.params.items()}
        key = task.key(setting)
        repeated = repeated + 1 if key in seen else 0
        found = task.measured.run(key, SEED, task.repetition)
        share, loss = 1.0, found.loss
        for number, value in enumerate(found.curve[:-1], 1):
            trial.report(float(value), number)
            if trial.should_prune():
                share, loss = number / POINTS, None
                break
        if key not in seen or not free:
            spent += share
            trace.trials += 1
        if loss is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, loss)
        seen.setdefault(key, loss)
        if loss is not None and (not best or loss < found_best):
            best, found_best = key, loss
        trace.add(spent, best or task.key(task.baseline()))
    return trace


def _asha() -> Any:
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3)


def _hyperband() -> Any:
    return optuna.pruners.HyperbandPruner(min_resource=2, max_resource=POINTS, reduction_factor=3)


# ---- autogit


class Uniform(Portfolio):
    """The portfolio with the dice in the place of beliefs and of the ladder."""

    def _order(self, context: Context, arms: object) -> list[Proposer]:
        return [self._proposers[i] for i in context.rng.permutation(len(self._proposers))]


def autogit(
    task: Task,
    change: Callable[[Config], Config] = lambda config: config,
    proposers: Callable[[Config], Portfolio] = portfolio,
) -> Trace:
    """The loop itself: its proposers, portfolio, race and pruning, over the table."""
    config = change(settings(task))
    trace = Trace()
    with TemporaryDirectory(dir=_memory()) as folder:
        ledger = MemoryLedger(Path(folder), table.files())
        executor = TableExecutor(task.measured, ledger, task.repetition, task.budget)
        recipe, history = Recipe(config, Path(folder)), History(config.metric)
        research(
            config, ledger, executor, partial(land, ledger), recipe, proposers(config), task.repetition, trace,
            partial(_pick, ledger), history,
        )  # fmt: skip
    return trace


class Charged(Executor, Protocol):
    """An executor that counts what it is asked for."""

    spent: float
    """Full runs' worth of compute so far."""


def research(
    config: Config,
    ledger: Ledger,
    executor: Charged,
    lands: Land,
    recipe: Recipe,
    proposer: Portfolio,
    seed: int,
    trace: Trace,
    pick: Callable[[], str],
    history: History,
) -> None:
    """Wires the loop as autogit does, and runs it until the executor has no compute left."""
    cancel, evaluator = threading.Event(), StandardEvaluator(config)

    def tell(event: Event) -> None:
        if isinstance(event, Closed):
            record = event.record
            trace.trials += not record.trial.is_baseline
            trace.log.append(f"{executor.spent:5.1f} {record.verdict} {record.trial.title}: {record.reason}")
            trace.add(executor.spent, pick())

    rooms = Rooms(
        config=config,
        ledger=ledger,
        evaluator=evaluator,
        proposer=proposer,
        measurement=Measurement(config, ledger, executor, evaluator, recipe, silent, cancel),
        history=history,
        config_hash="",
        land=lands,
        prune=Stops(config, ledger, history),
        words=proposer.notices.take,
        certify=partial(due_certificate, config, history),
    )
    ended = Loop(rooms, config.limits, tell, cancel, 1, seed).run()
    trace.add(executor.spent, pick())
    trace.log.append(ended.reason)


def settings(task: Task) -> Config:
    """The shipped configuration with the task's space and patterns, and without limits but the compute."""
    config = table.shipped()
    return replace(
        config,
        space=table.space(task.values),
        pattern=table.chosen(task.patterns),
        catalogue=False,
        evaluate=replace(config.evaluate, holdout=""),
        limits=replace(config.limits, trials=None, patience=None, hours=None),
    )


def _pick(ledger: MemoryLedger) -> str:
    return configuration(ledger.files(ledger.main())) or ""


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _alone(config: Config) -> Portfolio:
    return Portfolio([HyperparameterProposer()])


def _uniform(config: Config) -> Portfolio:
    return Uniform(portfolio(config)._proposers)


def _greedily(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, rule="greedy"))


def _certified(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, rule="certify"))


def _fewer_seeds(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, seeds=3))


def _unpruned(config: Config) -> Config:
    return replace(config, prune=replace(config.prune, confidence=0.0))


METHODS: dict[str, Method] = {
    "random": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), optuna.pruners.NopPruner),
    "random + ASHA": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), _asha),
    "TPE": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), optuna.pruners.NopPruner),
    "TPE + Hyperband": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), _hyperband),
    "TPE + Hyperband, repeats free": partial(
        optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), _hyperband, free=True
    ),
    "greedy loop": greedy,
    "autogit, hyperparameters only": partial(autogit, proposers=_alone),
    "autogit": autogit,
    "autogit, no pruning": partial(autogit, change=_unpruned),
    "autogit, no race": partial(autogit, change=_greedily),
    "autogit, certify": partial(autogit, change=_certified),
    "autogit, 3 seeds": partial(autogit, change=_fewer_seeds),
    "autogit, uniform choice": partial(autogit, proposers=_uniform),
}
