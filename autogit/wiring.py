"""The composition root: the one place that knows all rooms and puts them together.

`services` chooses the implementations for a lab, `loop` puts a loop together from them. A benchmark, a test or a
cluster replaces a service and needs no second composition root.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autogit.config.load import ConfigFile
from autogit.config.model import Agent, Config
from autogit.errors import PatchError
from autogit.evaluate import StandardEvaluator
from autogit.evaluate.noise import noise
from autogit.evaluate.pruning import PrunerMaker
from autogit.events import Event, Observer, silent
from autogit.execute.registry import backend_of
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.loop import Loop
from autogit.patch import Policy, check_shadows, land, without_effect
from autogit.propose import build_portfolio
from autogit.protocols import Context, Evaluator, Executor, Landed, Ledger, Proposer, PrunerFactory
from autogit.records import DATA, Record
from autogit.report.export import Exported, LiveExport
from autogit.report.notify import Notifier
from autogit.trial.audit import Auditor
from autogit.trial.first_run import FOLDER as FIRST_RUN_FOLDER
from autogit.trial.first_run import PATIENCE_SECONDS, FirstRun, Glance, first_run
from autogit.trial.jobs import JobMaker
from autogit.trial.judge import Judge
from autogit.trial.live import LiveFile
from autogit.trial.measure import RUN_SECONDS, RUNS_PER_TRIAL, Measurement
from autogit.trial.queue import Land, TrialQueue
from autogit.trial.reproduce import FOLDER, Consent, Reproducer
from autogit.trial.retention import Retention
from autogit.trial.session import Session

UNPROTECTED = (
    "nothing but limits protects this machine: training can read your files and reach the network "
    "(autogit doctor says why no sandbox works here)"
)
UNTRUSTED = (
    "models and agents are left out, since no sandbox holds what they write: if you want to run it all the same, set "
    "[sandbox] trust_models = true"
)


@dataclass(frozen=True, slots=True)
class Services:
    """What a loop works with. Each can be replaced by another implementation of the same Protocol."""

    config: Config
    config_hash: str
    """Of the configuration's text, for the records."""
    ledger: Ledger
    history: History
    executor: Executor
    evaluator: Evaluator
    proposer: Proposer
    land: Land
    jobs: JobMaker
    pruner: PrunerFactory
    notices: Callable[[], Sequence[str]] = tuple
    """Takes what the proposers have to tell the person since the last call."""
    observers: Sequence[Observer] = ()
    """Listen beside whoever asks for the loop."""
    cancel: threading.Event | None = None
    """Gives up runs and model calls once it is set; shared with the proposer."""


def loop(services: Services, observer: Observer, slots: int = 1, seed: int = 0, null_rate: float = 0.0) -> Loop:
    """Puts a loop of `slots` side by side together; `null_rate` is the share of trials that change nothing."""
    session = Session(
        services.config, services.config_hash, services.ledger, services.history,
        _all(observer, *services.observers), cancel=services.cancel or threading.Event(),
    )  # fmt: skip
    measurement = Measurement(
        session.config, session.ledger, services.executor, services.evaluator, services.jobs, session.observer,
        session.cancel,
    )  # fmt: skip
    if services.jobs.data and not session.config.evaluate.holdout:
        session.history.compare_on(str(measurement.environment.get(DATA, "")))
    queue = TrialQueue(session, services.proposer, services.land, seed, null_rate)
    judge = Judge(session, services.evaluator, measurement, services.pruner)
    return Loop(session, queue, judge, Auditor(session, measurement), session.config.limits, slots, services.notices)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Chooses the services of a lab."""

    file: ConfigFile
    ledger: GitLedger
    history: History
    policy: Policy

    def loop(
        self,
        config: Config,
        observer: Observer,
        jobs: int | None,
        seed: int,
        null_rate: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Loop:
        """Wires a loop by `config`, which is the file's with the limits and the target that the caller asked for.

        `cancel` gives up what runs once it is set.
        """
        slots = backend_of(config).slots(config, jobs)
        return loop(self.services(config, slots, cancel), observer, slots, seed, null_rate)

    def services(self, config: Config, slots: int, cancel: threading.Event | None = None) -> Services:
        """Chooses the services for a loop of so many slots."""
        cancel = cancel or threading.Event()
        executor = backend_of(config)(config, slots)
        unprotected, models = executor.tier == "rlimits", bool(config.llm or config.agent.command)
        untrusted = unprotected and models and not config.sandbox.trust_models
        if untrusted:
            config = replace(config, llm=(), agent=Agent())
        proposer = build_portfolio(config, cancel)
        proposer.notices.say(*([UNPROTECTED] if unprotected else []), *([UNTRUSTED] if untrusted else []))
        exports = LiveExport(config.observe.exporters, self.ledger.private, self.exported)
        notifier = Notifier(config.notify, self.ledger.root.name, config.limits.cost)
        return Services(
            config=config,
            config_hash=self.file.hash,
            ledger=self.ledger,
            history=self.history,
            executor=executor,
            evaluator=StandardEvaluator(config, self.history),
            proposer=proposer,
            land=self.land,
            jobs=self._jobs(config),
            pruner=PrunerMaker(config, self.ledger, self.history),
            notices=lambda: [*proposer.notices.take(), *exports.take(), *notifier.take()],
            observers=(
                Retention(self.ledger.private, self.history, config.checkpoints).tell,
                LiveFile(self.ledger.private).tell,
                exports.tell,
                notifier.tell,
            ),
            cancel=cancel,
        )

    def reproducer(self, observer: Observer, consent: Consent) -> Reproducer:
        """Wires what makes the runs of closed trials again."""

        def measurement(config: Config) -> Measurement:
            executor, jobs = backend_of(config)(config), self._jobs(config)
            evaluator = StandardEvaluator(config, self.history)
            return Measurement(config, self.ledger, executor, evaluator, jobs, observer, threading.Event(), FOLDER)

        metric = self.file.config.metric.name
        measured = noise(self.history.compared(), lambda metrics: metrics.get(metric))
        return Reproducer(self.file, self.ledger, self.history, measured.sd if measured else None, measurement, consent)

    def first_runs(self) -> Generator[FirstRun]:
        """Starts the training command of `main` for a few seconds, with seed after seed; nothing of it stays."""
        config = self.file.config
        if "{seconds}" in config.train.command and config.budget.seconds is None:
            # The command line of a loop gives them.
            config = replace(config, budget=replace(config.budget, seconds=PATIENCE_SECONDS))
        glance = Glance(StandardEvaluator(config, self.history), config.metric.name, bool(config.evaluate.command))
        executor, jobs = backend_of(config)(config), self._jobs(config)
        cancel = threading.Event()
        measurement = Measurement(config, self.ledger, executor, glance, jobs, silent, cancel, FIRST_RUN_FOLDER)
        try:
            for seed in itertools.count(config.train.seed):
                yield first_run(measurement, glance, self.ledger.main(), seed)
        finally:
            shutil.rmtree(self.ledger.private / FIRST_RUN_FOLDER, ignore_errors=True)

    def context(self) -> Context:
        """Returns what a proposer may know now."""
        base = self.ledger.tip()
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
        """Returns what a diff, however it is written, makes of the files of the commit `base`. Raises PatchError."""
        read = partial(self.ledger.read, base)
        landed = land(text, read, self.policy)
        if ignored := self.ledger.ignored(base, landed.changes):
            raise PatchError(f"{ignored[0]}: git ignores it here (.gitignore), so it is no part of a proposal")
        added = [path for path, content in landed.changes.items() if content is not None and read(path) is None]
        check_shadows(added, self.file.config, self.ledger.prefix)
        idle = without_effect({path: read(path) for path in landed.changes}, landed.changes)
        return replace(landed, idle=idle)

    def exported(self, record: Record) -> Exported:
        """What exporters get of a trial."""
        metric = self.file.config.metric
        return Exported(
            lab=self.ledger.root.name,
            metric=metric.name,
            direction=metric.direction,
            record=record,
            value=self.history.value(record),
            improvement=self.history.improvement(record),
            effect=self.history.effect(record),
            diff="" if record.trial.is_baseline else self.ledger.diff(record.id),
            curves=self.ledger.curves(record.id),
        )

    def _jobs(self, config: Config) -> JobMaker:
        return JobMaker(config, self.ledger.root, self.ledger.prefix, _run_seconds(config, self.history))


def _all(*observers: Observer) -> Observer:
    """Returns one observer that tells them all, in order."""

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    return tell


def _run_seconds(config: Config, history: History) -> float | None:
    """Returns the wall time of a run if that is the budget: configured, or the loop's hours shared between its runs.

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
