"""The methods that benchmarks/search.py compares: the peers, and autogit's own loop with and without its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import search_points as points
from search_peers import PEERS
from search_task import Method, Task, Trace
from search_world import MemoryLedger, TableExecutor, configuration, land

from autogit.config.model import Config
from autogit.evaluate import StandardEvaluator
from autogit.evaluate.pruning import PrunerMaker
from autogit.evaluate.stack import PROOF_RUNS
from autogit.events import Closed, Event, Proof, Stopping
from autogit.history import History
from autogit.propose import build_portfolio
from autogit.propose.portfolio import Portfolio
from autogit.propose.search.hyperparameters import HyperparameterProposer
from autogit.protocols import Context, Executor, Ledger, Proposer
from autogit.trial.jobs import JobMaker
from autogit.trial.queue import Land
from autogit.wiring import Services, loop


class Uniform(Portfolio):
    """The portfolio with the dice in the place of beliefs and of the ladder."""

    def _order(self, context: Context, arms: object) -> list[Proposer]:
        return [self._proposers[i] for i in context.rng.permutation(len(self._proposers))]


def autogit(
    task: Task,
    change: Callable[[Config], Config] = lambda config: config,
    proposers: Callable[[Config], Portfolio] = build_portfolio,
) -> Trace:
    """The loop itself: its proposers, portfolio, race and pruning, over the table."""
    config = change(settings(task))
    trace = Trace()
    with TemporaryDirectory(dir=_memory()) as folder:
        ledger = MemoryLedger(Path(folder), points.files())
        executor = TableExecutor(task.measured, ledger, task.repetition, task.budget)
        jobs, history = JobMaker(config, Path(folder)), History(config.metric)
        research(
            config, ledger, executor, partial(land, ledger), jobs, proposers(config), task.repetition, trace,
            partial(_pick, ledger), history,
        )  # fmt: skip
    return trace


class Charged(Executor, Protocol):
    """An executor that counts what it is asked for."""

    spent: float
    """Full runs' worth of compute so far."""
    reserve: float
    """What the search leaves for the last proof."""


def research(
    config: Config,
    ledger: Ledger,
    executor: Charged,
    lands: Land,
    jobs: JobMaker,
    proposer: Portfolio,
    seed: int,
    trace: Trace,
    pick: Callable[[], str],
    history: History,
) -> None:
    """Wires the loop as autogit does, and runs it until the executor has no compute left."""

    def tell(event: Event) -> None:
        if isinstance(event, Closed):
            record = event.record
            trace.trials += not record.trial.is_baseline
            trace.log.append(f"{executor.spent:5.1f} {record.verdict} {record.trial.title}: {record.reason}")
            trace.add(executor.spent, pick())
        elif isinstance(event, Proof):
            names = ", ".join(record.trial.ref for record in event.trials)
            trace.log.append(
                f"{executor.spent:5.1f} {'proved' if event.proved else 'unproved'} {names}: {event.reason}"
            )
            trace.add(executor.spent, pick())
        elif isinstance(event, Stopping):
            executor.reserve = 0.0

    if config.accept.rule == "stack":
        executor.reserve = PROOF_RUNS
    wired = Services(
        config=config,
        config_hash="",
        ledger=ledger,
        history=history,
        executor=executor,
        evaluator=StandardEvaluator(config, history),
        proposer=proposer,
        land=lands,
        jobs=jobs,
        pruner=PrunerMaker(config, ledger, history),
        notices=proposer.notices.take,
    )
    ended = loop(wired, tell, seed=seed).run()
    trace.add(executor.spent, pick())
    trace.log.append(ended.reason)


def settings(task: Task) -> Config:
    """The shipped configuration with the task's space and patterns, and without limits but the compute."""
    config = points.shipped()
    return replace(
        config,
        space=points.space(task.values),
        pattern=points.chosen(task.patterns),
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
    return Uniform(build_portfolio(config)._proposers)


def _greedily(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, rule="greedy"))


def _stacked(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, rule="stack"))


def _fewer_seeds(config: Config) -> Config:
    return replace(config, accept=replace(config.accept, seeds=3))


def _unpruned(config: Config) -> Config:
    return replace(config, prune=replace(config.prune, confidence=0.0))


METHODS: dict[str, Method] = {
    **PEERS,
    "autogit, hyperparameters only": partial(autogit, proposers=_alone),
    "autogit": autogit,
    "autogit, no pruning": partial(autogit, change=_unpruned),
    "autogit, no race": partial(autogit, change=_greedily),
    "autogit, stack": partial(autogit, change=_stacked),
    "autogit, 3 seeds": partial(autogit, change=_fewer_seeds),
    "autogit, uniform choice": partial(autogit, proposers=_uniform),
}
