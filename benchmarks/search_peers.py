"""The peers of benchmarks/search.py, each as a function from a task to its picks as compute is spent."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import optuna
from search_runs import POINTS
from search_task import Method, Task, Trace

optuna.logging.set_verbosity(optuna.logging.WARNING)
SEED = 1
"""What the peers train with: one seed for all, so that seed noise disturbs their comparisons least."""
REPEATS = 200
"""Settings that are known already, in a row, after which a peer has seen its space."""


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


PEERS: dict[str, Method] = {
    "random": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), optuna.pruners.NopPruner),
    "random + ASHA": partial(optimiser, lambda seed: optuna.samplers.RandomSampler(seed), _asha),
    "TPE": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), optuna.pruners.NopPruner),
    "TPE + Hyperband": partial(optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), _hyperband),
    "TPE + Hyperband, repeats free": partial(
        optimiser, lambda seed: optuna.samplers.TPESampler(seed=seed), _hyperband, free=True
    ),
    "greedy loop": greedy,
}
