"""The methods that benchmarks/search.py compares, each as a function from a task to its picks as compute is spent."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
import search_table as table
from search_world import POINTS, MemoryLedger, Table, TableExecutor, history_of, land

from autogit.config import Config
from autogit.evaluate import StandardEvaluator
from autogit.events import Closed, Event, silent
from autogit.judging import Rooms
from autogit.loop import Loop
from autogit.measurement import Measurement
from autogit.propose import portfolio
from autogit.propose.hyperparameters import HyperparameterProposer
from autogit.propose.turns import Portfolio
from autogit.protocols import Context, Proposer
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


def optimiser(sampler: Callable[[int], Any], pruner: Callable[[], Any], task: Task) -> Trace:
    """Ask, train, tell; what was trained already is answered from memory, free of charge."""
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
    spent, repeated, best = 0.0, 0, ""
    while spent < task.budget and repeated < REPEATS:
        trial = study.ask(distributions)
        setting = {n: v if n in task.patterns else task.values[n][v] for n, v in trial.params.items()}
        key = task.key(setting)
        repeated = repeated + 1 if key in seen else 0
        if seen.get(key) is not None:
            study.tell(trial, seen[key])
            continue
        found = task.measured.run(key, SEED, task.repetition)
        share, loss = 1.0, found.loss
        for number, value in enumerate(found.curve[:-1], 1):
            trial.report(float(value), number)
            if trial.should_prune():
                share, loss = number / POINTS, None
                break
        if key not in seen:
            spent += share
            trace.trials += 1
        if loss is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, loss)
        seen[key] = loss
        if loss is not None and (not best or loss < (seen[best] or 0.0)):
            best = key
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
        history, cancel = history_of(ledger), threading.Event()
        executor = TableExecutor(task.measured, ledger, task.repetition, task.budget)
        evaluator, proposer = StandardEvaluator(config), proposers(config)
        recipe = Recipe(config, Path(folder))

        def tell(event: Event) -> None:
            if isinstance(event, Closed):
                trace.trials += not event.record.trial.is_baseline
                trace.log.append(
                    f"{executor.spent:5.1f} {event.record.verdict} {event.record.trial.title}: {event.record.reason}"
                )
                trace.add(executor.spent, _pick(ledger))

        rooms = Rooms(
            config=config,
            ledger=ledger,
            evaluator=evaluator,
            proposer=proposer,
            measurement=Measurement(config, ledger, executor, evaluator, recipe, silent, cancel),
            history=history,
            config_hash="",
            land=partial(land, ledger),
            prune=Stops(config.prune, ledger, history),
            words=proposer.notices.take,
            certify=lambda tip: None,
        )
        ended = Loop(rooms, config.limits, tell, cancel, 1, task.repetition).run()
        trace.add(executor.spent, _pick(ledger))
        trace.log.append(ended.reason)
    return trace


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
    from search_world import configuration

    return configuration(ledger.files(ledger.main())) or ""


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _alone(config: Config) -> Portfolio:
    return Portfolio([HyperparameterProposer()])


def _uniform(config: Config) -> Portfolio:
    return Uniform(portfolio(config)._proposers)


def _greedily(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, rule="greedy"))


def _unpruned(config: Config) -> Config:
    return replace(config, prune=replace(config.prune, confidence=0.0))


METHODS: dict[str, Method] = {
    "random": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), optuna.pruners.NopPruner),
    "random + ASHA": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), _asha),
    "TPE": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), optuna.pruners.NopPruner),
    "TPE + Hyperband": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), _hyperband),
    "greedy loop": greedy,
    "autogit, hyperparameters only": partial(autogit, proposers=_alone),
    "autogit": autogit,
    "autogit, no pruning": partial(autogit, change=_unpruned),
    "autogit, no race": partial(autogit, change=_greedily),
    "autogit, uniform choice": partial(autogit, proposers=_uniform),
}
