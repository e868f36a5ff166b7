"""One run of a trial: checkout, train, evaluate. Numbers come from the evaluator, facts from the executor."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from autogit.config.model import Config
from autogit.errors import Interrupted, WorkspaceError
from autogit.events import Observer, Progress
from autogit.protocols import Ending, Evaluator, Execution, Executor, Job, Ledger, Monitor, Reading
from autogit.records import Curve, Run, Scalar, Trial
from autogit.trial.fingerprint import fingerprint
from autogit.trial.jobs import Recipe
from autogit.trial.watching import Deaf, Prune, Pulse, Watch

SELF_REPORTED = "self-reported"
"""What is said of metrics that the training script printed itself, with no evaluator that measured them."""
RUN_SECONDS = "run_seconds"
"""In a record's environment: the time that each run was given, where time is the budget."""
RUNS_PER_TRIAL = 2.0
"""About how many runs a trial takes, those of the incumbent counted in."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A run with what was printed and learned on the way."""

    run: Run
    curve: Curve | None
    log: str
    reproduce: str
    """The line that gives the run's numbers again."""
    audited: bool = False
    """Whether it would have been pruned, and was allowed to finish to see what pruning costs."""


class Measurement:
    """Makes runs. Used from several threads, each with a slot of its own."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        executor: Executor,
        evaluator: Evaluator,
        recipe: Recipe,
        observer: Observer,
        cancel: Event,
        out: str = "out",
    ) -> None:
        """`out` names the folder, in the lab's private one, below which the runs' output goes."""
        self._config = config
        self._ledger = ledger
        self._executor = executor
        self._evaluator = evaluator
        self._recipe = recipe
        self._observer = observer
        self._cancel = cancel
        self._out = out
        self._budgets: dict[str, int] = {}
        self._masked: tuple[Path, ...] | None = None
        self._counted = "", 0.0
        self._data = fingerprint(recipe.data) if recipe.data else ""

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
        steps, failed = self._steps(trial, seed, slot, out)
        line = "" if failed else self._recipe.line(trial.ref, seed, steps, self._executor.variables(slot, seed))
        if failed:
            return self._measured(seed, reading, failed, None, line)
        masked = self._holdout(trial, seed, slot, out)
        checkout = self._ledger.checkout(trial.commit, slot)
        variables = self._executor.variables(slot, seed)
        job = self._recipe.train(checkout, out, seed, steps, variables, timeout, masked, timed=until is None)
        last = steps or until
        pruner = prune(last) if prune else None

        def tell(pulse: Pulse) -> None:
            self._progress(trial, slot, seed, reading, pulse, last)

        watch = Watch(reading, pruner, tell, until, self._recipe.seconds if until is None else None)
        trained = self._execute(job, watch)
        evaluated = None
        if self._config.evaluate.command and (trained.succeeded or trained.ending is Ending.BUDGET):
            evaluated = self._aside(self._config.evaluate.command, trial, seed, slot, out)
        measured = self._measured(seed, reading, trained, evaluated, line)
        if measured.run.status.counts:
            metrics = {**measured.run.metrics, "lines_of_code": self._lines(trial.commit)}
            measured = replace(measured, run=replace(measured.run, metrics=metrics))
        audited = pruner is not None and pruner.halt is not None and trained.halt is None
        return replace(measured, audited=audited)

    def audit(self, trial: Trial, seed: int, slot: int) -> Run | None:
        """What a run of `trial` amounts to on the audit data; None where its output is gone. Raises Interrupted."""
        out = self.out(trial, seed)
        if not out.is_dir() or not any(out.iterdir()):
            return None
        audited = self._aside(self._config.evaluate.audit, trial, seed, slot, out)
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
        watched = failed or self._aside(self._config.budget.check, trial, seed, slot, out, steps, timeout)
        refused = re.findall(r"^refused: (.*\S)", watched.log, re.MULTILINE)
        return refused[-1] if refused else "" if watched.succeeded else f"budget.check failed: {watched.reason}"

    def out(self, trial: Trial, seed: int) -> Path:
        """The output folder of one run."""
        return self._ledger.private / self._out / trial.id / str(seed)

    @property
    def environment(self) -> Mapping[str, Scalar]:
        """What of this machine and its data makes numbers comparable, for the record."""
        data = {"data": self._data} if self._data else {}
        word = {} if self._config.evaluate.command else {"metrics": SELF_REPORTED}
        seconds = {RUN_SECONDS: self.seconds} if self.seconds else {}
        return {**self._executor.environment, **data, **word, **seconds}

    @property
    def seconds(self) -> float | None:
        """What each run gets, where time is the budget."""
        return self._recipe.seconds

    def _steps(self, trial: Trial, seed: int, slot: int, out: Path) -> tuple[int | None, Execution | None]:
        """The steps that the budget gives this trial; with compute as the budget its own model is asked, once."""
        if self._config.budget.flops is None:
            return self._config.budget.steps, None
        if trial.commit not in self._budgets:
            asked = self._aside(self._config.budget.command, trial, seed, slot, out)
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
            asked = self._aside(self._config.evaluate.holdout, trial, seed, slot, out)
            if not asked.succeeded:
                raise WorkspaceError(f"evaluate.holdout failed ({asked.reason}): {self._config.evaluate.holdout}")
            self._masked = tuple(Path(line) for line in asked.log.splitlines() if line.startswith("/"))
            self._data = next(iter(re.findall(r"^data_hash: (\w+)$", asked.log, re.MULTILINE)), "")
        return self._masked or ()

    def _aside(
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
        job = self._recipe.aside(command, checkout, out, seed, self._executor.variables(slot, seed), steps, timeout)
        return self._execute(job, Deaf())

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
        elif self._recipe.seconds:
            share = min(pulse.seconds / self._recipe.seconds, 1.0)
        step, loss = reading.step, reading.loss
        self._observer(
            Progress(trial, slot, seed, step, loss, pulse.seconds, share, pulse.quiet, pulse.line, pulse.cores)
        )
