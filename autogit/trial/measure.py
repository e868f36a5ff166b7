"""One run of a trial: checkout, train, evaluate. Numbers come from the evaluator, facts from the executor."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from autogit.config.model import Config
from autogit.errors import Interrupted, WorkspaceError
from autogit.events import Observer, Progress
from autogit.protocols import Ending, Evaluator, Execution, Executor, Halt, Job, Ledger, Monitor, Pruner, Reading
from autogit.records import DATA, TERMS, Curve, Run, RunStatus, Scalar, Trial
from autogit.trial.jobs import JobMaker, fingerprint

SELF_REPORTED = "self-reported"
"""What is said of metrics that the training script printed itself, with no evaluator that measured them."""
RUN_SECONDS = "run_seconds"
"""In a record's environment: the time that each run was given, where time is the budget."""
HELD_OUT = "AUTOGIT_HELD_OUT"
"""Tells protected commands what `evaluate.holdout` has found, one path a line: to search for it takes time."""
RUNS_PER_TRIAL = 2.0
"""About how many runs a trial takes, those of the incumbent counted in."""
TIMEOUT_FACTOR = 5.0
"""A run that takes this many times as long as earlier ones has failed, if the configuration names no time."""

Prune = Callable[[int | None], Pruner | None]
"""(steps of the run, if they are known) -> its pruner; None if there is no curve to compare with."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A run with what was printed and learned on the way."""

    run: Run
    curve: Curve | None
    log: str
    reproduce: str
    """The line that gives the run's numbers again."""
    spared: bool = False
    """Whether it would have been pruned, and was allowed to finish to see what pruning costs."""


class Measurement:
    """Makes runs. Used from several threads, each with a slot of its own."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        executor: Executor,
        evaluator: Evaluator,
        jobs: JobMaker,
        observer: Observer,
        cancel: Event,
        out: str = "out",
    ) -> None:
        """`out` names the folder, in the lab's private one, below which the runs' output goes."""
        self._config = config
        self._ledger = ledger
        self._executor = executor
        self._evaluator = evaluator
        self._jobs = jobs
        self._observer = observer
        self._cancel = cancel
        self._out = out
        self._budgets: dict[str, int] = {}
        self._masked: tuple[Path, ...] | None = None
        self._counted = "", 0.0
        self._data = fingerprint(jobs.data) if jobs.data else ""

    def run(
        self,
        trial: Trial,
        seed: int,
        slot: int,
        timeout: float | None,
        prune: Prune | None = None,
        until: int | None = None,
    ) -> Measured:
        """Trains `trial` from its commit with `seed` and evaluates what came of it.

        `timeout` in seconds. `until`: where runs are compared at equal step, the one that ends it in the place of its
        time. Raises Interrupted where the person stopped it.
        """
        until = until if self._config.budget.compare == "step" else None
        out = self.out(trial, seed)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        reading = self._evaluator.reading(seed)
        masked = self._holdout(trial, seed, slot, out)
        steps, failed = self._steps(trial, seed, slot, out)
        line = "" if failed else self._jobs.line(trial.ref, seed, steps, self._executor.variables(slot, seed))
        if failed:
            return self._measured(seed, reading, failed, None, line)
        checkout = self._ledger.checkout(trial.commit, slot)
        variables = self._executor.variables(slot, seed)
        job = self._jobs.train(checkout, out, seed, steps, variables, timeout, masked, timed=until is None)
        last = steps or until
        pruner = prune(last) if prune else None

        def tell(pulse: Pulse) -> None:
            self._progress(trial, slot, seed, reading, pulse, last)

        monitor = TrainingMonitor(reading, pruner, tell, until, self._jobs.seconds if until is None else None)
        trained = self._execute(job, monitor)
        evaluated = None
        if self._config.evaluate.command and (trained.succeeded or trained.ending is Ending.BUDGET):
            evaluated = self._protected(self._config.evaluate.command, trial, seed, slot, out)
        measured = self._measured(seed, reading, trained, evaluated, line)
        if measured.run.status.counts:
            metrics = {**measured.run.metrics, "lines_of_code": self._lines(trial.commit)}
            measured = replace(measured, run=replace(measured.run, metrics=metrics))
        spared = pruner is not None and pruner.halt is not None and trained.halt is None
        return replace(measured, spared=spared)

    def check(self, trial: Trial, slot: int) -> Execution | None:
        """Runs the gate before training; None if there is none. Raises Interrupted."""
        if not self._config.check.command:
            return None
        seed = self._config.train.seed
        out = self.out(trial, seed)
        out.mkdir(parents=True, exist_ok=True)
        checkout = self._ledger.checkout(trial.commit, slot)
        job = self._jobs.check(checkout, out, seed, self._executor.variables(slot, seed))
        return self._execute(job, NullMonitor())

    def audit(self, trial: Trial, seed: int, slot: int) -> Run | None:
        """What a run of `trial` amounts to on the audit data; None where its output is gone. Raises Interrupted."""
        out = self.out(trial, seed)
        if not out.is_dir() or not any(out.iterdir()):
            return None
        audited = self._protected(self._config.evaluate.audit, trial, seed, slot, out)
        trained = replace(audited, ending=Ending.EXITED, status=0)  # it ended well: else it would have no output
        return self._evaluator.run(seed, self._evaluator.reading(seed), trained, audited)[0]

    def overspent(self, trial: Trial, seed: int, slot: int, timeout: float | None) -> str:
        """Why a whole training of `trial` does not keep to its budget; empty where it does or nobody can tell.

        `timeout` in seconds, as for training.
        """
        if not self._config.budget.check:
            return ""
        out = self.out(trial, seed)
        steps, failed = self._steps(trial, seed, slot, out)
        watched = failed or self._protected(self._config.budget.check, trial, seed, slot, out, steps, timeout)
        refused = re.findall(r"^refused: (.*\S)", watched.log, re.MULTILINE)
        return refused[-1] if refused else "" if watched.succeeded else f"budget.check failed: {watched.reason}"

    def out(self, trial: Trial, seed: int) -> Path:
        """The output folder of one run."""
        return self._ledger.private / self._out / trial.id / str(seed)

    def timeout(self, earlier: Sequence[Run]) -> float | None:
        """Returns the seconds after which a run has failed; None for the first one, of which nothing is known.

        `earlier`: runs of the same lab that tell how long one takes.
        """
        budget = self._config.budget
        if budget.timeout is not None or not earlier:
            return budget.timeout
        return TIMEOUT_FACTOR * max(run.seconds for run in earlier) + budget.grace

    @property
    def environment(self) -> Mapping[str, Scalar]:
        """What of this machine and its data makes numbers comparable, for the record."""
        data = {DATA: self._data} if self._data else {}
        word = {} if self._config.evaluate.command else {"metrics": SELF_REPORTED}
        seconds = {RUN_SECONDS: self.seconds} if self.seconds else {}
        return {**self._executor.environment, TERMS: self._config.terms, **data, **word, **seconds}

    @property
    def seconds(self) -> float | None:
        """What each run gets, where time is the budget."""
        return self._jobs.seconds

    def _steps(self, trial: Trial, seed: int, slot: int, out: Path) -> tuple[int | None, Execution | None]:
        """The steps that the budget gives this trial; with compute as the budget its own model is asked, once."""
        if self._config.budget.flops is None:
            return self._config.budget.steps, None
        if trial.commit not in self._budgets:
            asked = self._protected(self._config.budget.command, trial, seed, slot, out)
            answer = re.findall(r"^steps: (\d+)\s*$", asked.log, re.MULTILINE)
            if not asked.succeeded or not answer:
                return None, asked
            self._budgets[trial.commit] = int(answer[-1])
        return self._budgets[trial.commit], None

    def _lines(self, commit: str) -> float:
        """Lines of the editable files that are not blank; the same for all runs of a trial."""
        if self._counted[0] != commit:
            texts = self._ledger.files(commit).values()
            self._counted = commit, float(sum(bool(line.strip()) for text in texts for line in text.splitlines()))
        return self._counted[1]

    def _holdout(self, trial: Trial, seed: int, slot: int, out: Path) -> tuple[Path, ...]:
        """The paths that training must not read, asked for once."""
        if self._masked is None and self._config.evaluate.holdout:
            asked = self._protected(self._config.evaluate.holdout, trial, seed, slot, out)
            if not asked.succeeded:
                raise WorkspaceError(f"evaluate.holdout failed ({asked.reason}): {self._config.evaluate.holdout}")
            self._masked = tuple(Path(line) for line in asked.log.splitlines() if line.startswith("/"))
            self._data = next(iter(re.findall(r"^data_hash: (\w+)$", asked.log, re.MULTILINE)), "")
        return self._masked or ()

    def _protected(
        self,
        command: str,
        trial: Trial,
        seed: int,
        slot: int,
        out: Path,
        steps: int | None = None,
        timeout: float | None = None,
    ) -> Execution:
        # Checked out again: whatever training did to its copy, a protected command's files are the commit's.
        checkout = self._ledger.checkout(trial.commit, slot)
        variables = dict(self._executor.variables(slot, seed))
        if self._masked is not None:
            variables[HELD_OUT] = "\n".join(map(str, self._masked))
        job = self._jobs.protected(command, checkout, out, seed, variables, steps, timeout)
        return self._execute(job, NullMonitor())

    def _execute(self, job: Job, monitor: Monitor) -> Execution:
        execution = self._executor.run(job, monitor, self._cancel)
        if execution.ending is Ending.CANCELLED:
            raise Interrupted("stopped now; the open trial runs again under its number next time")
        return execution

    def _measured(
        self, seed: int, reading: Reading, trained: Execution, evaluated: Execution | None, line: str
    ) -> Measured:
        run, curve = self._evaluator.run(seed, reading, trained, evaluated)
        log = f"== seed {seed}: {run.status}\n{trained.log.rstrip()}\n"
        if evaluated is not None:
            log += f"== seed {seed}: evaluation\n{evaluated.log.rstrip()}\n"
        return Measured(run, curve, log, line)

    def _progress(self, trial: Trial, slot: int, seed: int, reading: Reading, pulse: Pulse, steps: int | None) -> None:
        share = None
        if steps and reading.step is not None:
            share = min(reading.step / steps, 1.0)
        elif self._jobs.seconds:
            share = min(pulse.seconds / self._jobs.seconds, 1.0)
        step, loss = reading.step, reading.loss
        self._observer(
            Progress(trial, slot, seed, step, loss, pulse.seconds, share, pulse.quiet, pulse.line, pulse.cores)
        )


class NullMonitor:
    """Listens to nothing: for commands beside training."""

    def line(self, text: str, seconds: float) -> Halt | None:
        """Lets the run go on."""
        return None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Lets the run go on."""
        return None


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a run is at one moment: what can be told of it also while it prints nothing."""

    seconds: float
    """Since it started."""
    quiet: float
    """Seconds since it last printed a line."""
    line: str
    """The last line that it printed."""
    cores: float | None
    """Processor cores that it kept busy in the last second or so; None if that is not known."""


class TrainingMonitor:
    """Listens to a training run: the reading first, then the pruner; the display is told of each step and second."""

    def __init__(
        self,
        reading: Reading,
        pruner: Pruner | None,
        tell: Callable[[Pulse], None],
        until: int | None = None,
        budget: float | None = None,
    ) -> None:
        """`until`: the step at which the run has done enough. `budget`: its seconds, if time is what it spends."""
        self._until = until
        self._budget = budget
        self._began: float | None = None
        self._reading = reading
        self._pruner = pruner
        self._tell = tell
        self._heard, self._text = 0.0, ""
        self._used: tuple[float, float] | None = None
        self._cores: float | None = None

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line; the pruner looks at each new step."""
        before = self._reading.step
        self._heard, self._text = seconds, text if text.strip() else self._text
        halt = self._reading.line(text, seconds)
        step = self._reading.step
        if step is None or step == before:
            return halt
        self._tell(self._pulse(seconds))
        if self._began is None:
            self._began = seconds
        if halt is None and self._until is not None and step >= self._until:
            return Halt(RunStatus.TRUNCATED, f"reached step {step}")
        value = None if self._pruner is None else self._reading.followed(self._pruner.metric)
        if halt is None and self._pruner is not None and value is not None:
            return self._pruner.check(step, value, self._spent(seconds))
        return halt

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Tells the display that the run goes on, whether or not it prints; `cpu` in seconds since its start."""
        if cpu is not None:
            if self._used is not None and seconds > self._used[0]:
                self._cores = max(0.0, cpu - self._used[1]) / (seconds - self._used[0])
            self._used = seconds, cpu
        self._tell(self._pulse(seconds))
        return self._reading.tick(seconds, cpu)

    def _pulse(self, seconds: float) -> Pulse:
        return Pulse(seconds, max(0.0, seconds - self._heard), self._text, self._cores)

    def _spent(self, seconds: float) -> float | None:
        """Returns the share of the time that is used, counted from the first report."""
        if self._budget is None or self._began is None or self._budget <= self._began:
            return None
        return (seconds - self._began) / (self._budget - self._began)
