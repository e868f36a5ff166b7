"""A lab in memory for the parts of one trial's life: the search benchmark's ledger, and runs that are a function."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autogit.config.load import parse
from autogit.config.model import Config
from autogit.diff import applied, unified
from autogit.errors import MainMovedError, PatchError
from autogit.evaluate import StandardEvaluator
from autogit.events import Event
from autogit.history import History
from autogit.protocols import Changes, Context, Ending, Execution, Job, Judgement, KeptRun, Landed, Monitor, More
from autogit.records import Curve, Proposal, Record, Trial, Verdict
from autogit.trial.jobs import JobMaker
from autogit.trial.judge import Judge
from autogit.trial.measure import Measurement
from autogit.trial.queue import Candidate, OpenTrial, TrialQueue
from autogit.trial.session import Session

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from search_world import MemoryLedger

CONFIG = '[train]\ncommand = "python train.py --seed {seed}"\neditable = ["train.py"]\n'
GREEDY = '[accept]\nrule = "greedy"\nseeds = 1\n'
START = "loss = 1.0\n"

Says = Callable[[Job, str, int], str | Execution]
"""(job, the train.py that it runs, seed) -> what it prints, or how it ends."""


class Ledger(MemoryLedger):
    """Also remembers what a second loop finds: open trials, their runs, reopened ones, paid proposals."""

    def __init__(self, private: Path, files: Mapping[str, str]) -> None:
        super().__init__(private, files)
        self.held: dict[str, list[KeptRun]] = {}
        self.left: list[Trial] = []
        self.paid: list[Proposal] = []
        self.discarded: list[str] = []
        self.reopened: list[str] = []
        self.commands: list[str] = []
        self.moves_main = False
        """Whether somebody else moves `main` before the next verdict."""

    def keep_runs(self, trial: Trial, runs: Sequence[KeptRun]) -> None:
        self.held.setdefault(trial.id, []).extend(runs)

    def kept_runs(self, trial: Trial) -> Sequence[KeptRun]:
        return tuple(self.held.get(trial.id, ()))

    def unfinished(self) -> Sequence[Trial]:
        return tuple(self.left)

    def open(self, proposal: Proposal, changes: Changes) -> Trial:
        trial = super().open(proposal, changes)
        if trial.commit != trial.base or proposal.proposer == "baseline":
            return trial
        self._files[f"c{trial.id}"] = self._files[trial.base]
        self._trials[trial.id] = trial = replace(trial, commit=f"c{trial.id}")
        return trial

    def keep(self, proposal: Proposal) -> None:
        self.paid.append(proposal)

    def kept(self) -> Sequence[Proposal]:
        return tuple(self.paid)

    def forget(self, proposal: Proposal) -> None:
        self.paid.remove(proposal)

    def lines(self, trial: Trial) -> int:
        return 0

    def discard(self, trial: Trial) -> None:
        super().discard(trial)
        self.discarded.append(trial.id)

    def reopen(self, trials: Sequence[str]) -> None:
        self.reopened += trials

    def close(self, record: Record, log: str, curves: Sequence[Curve]) -> Sequence[str]:
        if self.moves_main and record.accepted:
            self.moves_main = False
            raise MainMovedError("somebody was quicker")
        return super().close(record, log, curves)


class Numbers:
    """`protocols.Executor`: prints what a function says, and remembers the jobs."""

    tier = "none"

    def __init__(self, ledger: Ledger, says: Says) -> None:
        self.environment: dict[str, Any] = {"device": "memory"}
        self.jobs: list[Job] = []
        self._ledger = ledger
        self._says = says

    def variables(self, slot: int, seed: int) -> Mapping[str, str]:
        return {"OMP_NUM_THREADS": "1"}

    def run(self, job: Job, monitor: Monitor, cancel: threading.Event) -> Execution:
        if cancel.is_set():
            return Execution(Ending.CANCELLED, None, 0.0, None, "")
        self.jobs.append(job)
        seed = re.search(r"--seed (\d+)", job.command)
        said = self._says(job, self._ledger.files(job.checkout.name)["train.py"], int(seed[1]) if seed else 0)
        if isinstance(said, Execution):
            return said
        for at, line in enumerate(said.splitlines()):
            if (halt := monitor.line(line, float(at))) is not None:
                return Execution(Ending.HALTED, None, float(at), None, said, halt=halt)
        return Execution(Ending.EXITED, 0, 10.0, 2**20, said)

    @property
    def trained(self) -> list[tuple[str, int]]:
        """(commit, seed) of each training, in order."""
        found = [(job.checkout.name, re.search(r"train\.py --seed (\d+)", job.command)) for job in self.jobs]
        return [(commit, int(seed[1])) for commit, seed in found if seed]


def loss(job: Job, text: str, seed: int) -> str | Execution:
    """What `loss = X` in train.py says, with a thousandth of the seed's last digit on top; `crash` in it crashes."""
    if "crash" in text:
        return crash()
    value = float(text.split("loss = ")[1].split()[0]) + seed % 10 / 1000
    return f"step 10 loss {value}\nval_loss: {value}"


def crash(seconds: float = 1.0, reason: str = "KeyError: 'x' (train.py:1)") -> Execution:
    return Execution(Ending.EXITED, 1, seconds, 2**20, "", reason)


def config(more: str = GREEDY) -> Config:
    return parse(CONFIG + more)


def change(base: str, old: str, new: str, **facts: Any) -> Proposal:
    """A proposal that makes `new` of a train.py that is `old`."""
    fields = {"title": new.strip(), "proposer": "test", "operator": "loss", **facts}
    return Proposal(base, unified({"train.py": old}, {"train.py": new}), **fields)


class Scripted:
    """A proposer that proposes the loss values that it is given, each until it was tried, on whatever is `main`."""

    name = "test"

    def __init__(self, *values: str | float, **facts: Any) -> None:
        self.values = list(values)
        self.facts = facts
        self.asked: list[Context] = []

    def propose(self, context: Context) -> Proposal | None:
        self.asked.append(context)
        tried = {record.trial.title for record in context.history}
        tried |= {proposal.title for proposal in (*context.pending, *context.died)}
        new = next((text for value in self.values if (text := f"loss = {value}\n").strip() not in tried), None)
        return None if new is None else change(context.base, context.files["train.py"], new, **self.facts)


def lands(ledger: Ledger) -> Callable[[str, str], Landed]:
    def land(text: str, base: str) -> Landed:
        after = applied(ledger.files(base), text)
        if not after:
            raise PatchError("the diff does not apply")
        return Landed(text, {path: new.encode() if new is not None else None for path, new in after.items()})

    return land


@dataclass
class Desk:
    """The parts of a loop that make one trial."""

    ledger: Ledger
    executor: Numbers
    session: Session
    evaluator: StandardEvaluator
    measurement: Measurement
    queue: TrialQueue
    judge: Judge
    told: list[Event] = field(default_factory=list)
    pruned: list[tuple[str, int, str]] = field(default_factory=list)
    """(trial, seed, incumbent) for each pruner that was asked for."""

    def judged(self, opened: OpenTrial) -> Judgement:
        """Runs what is asked for until there is a verdict."""
        while isinstance(decision := self.judge.decide(opened, 0), More):
            self.judge.train_and_evaluate(opened, decision, 0)
        return decision

    def close(self, given: Proposal | Candidate) -> Record:
        """Takes a proposal from its commit to its record."""
        opened = self.queue.commit(self.queue.propose(given))
        said = self.judged(opened)
        record = Record(
            opened.trial, said.verdict, said.reason, said.metrics, tuple(opened.runs), statistics=said.statistics
        )
        self.ledger.close(record, "", opened.curves)
        self.queue.closed(opened.trial)
        self.session.history.add(record)
        return record

    def baseline(self) -> Record:
        candidate = self.queue.baseline()
        assert candidate is not None
        return self.close(candidate)

    def opened(self, new: str, **facts: Any) -> OpenTrial:
        """An open trial that makes `new` of the tip's train.py."""
        base = self.ledger.tip()
        return self.queue.commit(self.queue.propose(change(base, self.ledger.files(base)["train.py"], new, **facts)))


def desk(
    folder: Path, more: str = GREEDY, says: Says = loss, proposer: Scripted | None = None, null_rate: float = 0.0
) -> Desk:
    """Puts together what `wiring.loop` does, without git and without training."""
    settings, told, pruned = config(more), [], []
    ledger = Ledger(folder, {"train.py": START})
    history, executor = History(settings.metric), Numbers(ledger, says)
    session = Session(settings, "hash", ledger, history, told.append)
    evaluator = StandardEvaluator(settings, history)
    jobs = JobMaker(settings, folder, seconds=settings.budget.seconds)
    measurement = Measurement(settings, ledger, executor, evaluator, jobs, told.append, session.cancel)

    def pruner(trial: Trial, seed: int, incumbent: Record, steps: int | None) -> None:
        pruned.append((trial.id, seed, incumbent.id))

    queue = TrialQueue(session, proposer or Scripted(), lands(ledger), null_rate=null_rate)
    judge = Judge(session, evaluator, measurement, pruner)
    return Desk(ledger, executor, session, evaluator, measurement, queue, judge, told, pruned)


def verdicts(records: Sequence[Record]) -> list[Verdict]:
    return [record.verdict for record in records]
