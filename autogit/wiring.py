"""The composition root: the one place that knows all rooms and puts them together, for one lab."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autogit.config.load import ConfigFile
from autogit.config.model import Agent, Config
from autogit.evaluate import StandardEvaluator, due_certificate
from autogit.evaluate.noise import noise
from autogit.evaluate.stopping import Stops
from autogit.events import Event, Observer, silent
from autogit.execute.local import LocalExecutor, job_count
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.loop import Loop
from autogit.patch import Policy, land, without_effect
from autogit.propose import portfolio
from autogit.protocols import Context
from autogit.trial.first_run import FOLDER as FIRST_RUN_FOLDER
from autogit.trial.first_run import PATIENCE_SECONDS, FirstRun, Glance, first_run
from autogit.trial.jobs import Recipe
from autogit.trial.judge import Rooms
from autogit.trial.landing import Landed
from autogit.trial.live import LiveFile
from autogit.trial.measure import RUN_SECONDS, RUNS_PER_TRIAL, Measurement
from autogit.trial.repeating import OUT, Repeating
from autogit.trial.retention import Retention

WEAK = (
    "nothing but limits protects this machine: training can read your files and reach the network "
    "(autogit doctor says why no sandbox works here)"
)
UNTRUSTED = (
    "models and agents are left out, since no sandbox holds what they write: if you want to run it all the same, set "
    "[sandbox] trust_models = true"
)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Makes what works on a lab."""

    file: ConfigFile
    ledger: GitLedger
    history: History
    policy: Policy

    def loop(self, config: Config, observer: Observer, jobs: int | None, seed: int, null_rate: float = 0.0) -> Loop:
        """A loop by `config`, which is the file's with the limits and the target that the caller asked for."""
        jobs = job_count(config, jobs)
        cancel = threading.Event()
        observer = _all(
            observer,
            Retention(self.ledger.private, self.history, config.checkpoints).tell,
            LiveFile(self.ledger.private).tell,
        )
        executor, evaluator = LocalExecutor(config, jobs), StandardEvaluator(config)
        weak, models = executor.tier == "rlimits", bool(config.llm or config.agent.command)
        untrusted = weak and models and not config.sandbox.trust_models
        if untrusted:
            config = replace(config, llm=(), agent=Agent())
        proposer = portfolio(config, cancel)
        proposer.notices.say(*([WEAK] if weak else []), *([UNTRUSTED] if untrusted else []))
        measurement = Measurement(config, self.ledger, executor, evaluator, self._recipe(config), observer, cancel)
        rooms = Rooms(
            config=config,
            ledger=self.ledger,
            evaluator=evaluator,
            proposer=proposer,
            measurement=measurement,
            history=self.history,
            config_hash=self.file.hash,
            land=self.land,
            prune=Stops(config, self.ledger, self.history),
            words=proposer.notices.take,
            certify=partial(due_certificate, config, self.history),
        )
        return Loop(rooms, config.limits, observer, cancel, jobs, seed, null_rate)

    def repeating(self, observer: Observer) -> Repeating:
        """What makes the runs of closed trials again."""

        def measurement(config: Config) -> Measurement:
            executor, evaluator, recipe = LocalExecutor(config), StandardEvaluator(config), self._recipe(config)
            return Measurement(config, self.ledger, executor, evaluator, recipe, observer, threading.Event(), OUT)

        metric = self.file.config.metric.name
        measured = noise(list(self.history), lambda metrics: metrics.get(metric))
        return Repeating(self.file, self.ledger, self.history, measured.sd if measured else None, measurement)

    def first_runs(self) -> Generator[FirstRun]:
        """Starts the training command of `main` for a few seconds, with seed after seed; nothing of it stays."""
        config = self.file.config
        if "{seconds}" in config.train.command and config.budget.seconds is None:
            # The command line of a loop gives them.
            config = replace(config, budget=replace(config.budget, seconds=PATIENCE_SECONDS))
        glance = Glance(StandardEvaluator(config), config.metric.name, bool(config.evaluate.command))
        executor, recipe = LocalExecutor(config), self._recipe(config)
        cancel = threading.Event()
        measurement = Measurement(config, self.ledger, executor, glance, recipe, silent, cancel, FIRST_RUN_FOLDER)
        try:
            for seed in itertools.count(config.train.seed):
                yield first_run(measurement, glance, self.ledger.main(), seed)
        finally:
            shutil.rmtree(self.ledger.private / FIRST_RUN_FOLDER, ignore_errors=True)

    def context(self) -> Context:
        """What a proposer may know now."""
        base = self.ledger.main()
        return Context(
            base=base,
            files=self.ledger.files(base),
            history=self.history,
            pending=(),
            rng=np.random.default_rng(0),
            config=self.file.config,
            revisions=self.ledger,
            check=lambda text: self.land(text, base).diff,
        )

    def land(self, text: str, base: str) -> Landed:
        """What a diff, however it is written, makes of the files of the commit `base`. Raises PatchError."""
        read = partial(self.ledger.read, base)
        landed = land(text, read, self.policy)
        idle = without_effect({path: read(path) for path in landed.changes}, landed.changes)
        return Landed(landed.diff, landed.changes, idle)

    def _recipe(self, config: Config) -> Recipe:
        return Recipe(config, self.ledger.root, self.ledger.prefix, _seconds(config, self.history))


def _all(*observers: Observer) -> Observer:
    """One observer that tells them all, in order."""

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    return tell


def _seconds(config: Config, history: History) -> float | None:
    """Wall time of a run, where that is the budget: configured, or the loop's hours shared between its runs.

    Later loops, whatever their limits, give each run what the runs that it is compared with were given.
    """
    budget, limits = config.budget, config.limits
    if budget.seconds is not None:
        return budget.seconds
    if budget.steps is not None or budget.flops is not None:
        return None
    if (incumbent := history.best()) is not None:
        given = incumbent.environment.get(RUN_SECONDS)
        return float(given) if isinstance(given, int | float) else None
    if not (limits.hours and limits.trials):
        return None
    return 3600 * limits.hours / (config.accept.seeds + RUNS_PER_TRIAL * limits.trials)
