"""The seams: four Protocols (Proposer, Executor, Evaluator, Ledger) and the values that only they pass.

`loop` knows these and nothing else of the rooms behind them; the rooms do not import each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

from autogit.config.model import Config
from autogit.history import History
from autogit.records import Curve, Idea, Proposal, Record, Run, RunStatus, Scalar, Trial, Verdict

if TYPE_CHECKING:
    import numpy as np

Changes = Mapping[str, bytes | None]
"""What a proposal makes of files: path from the repository's root -> new content, `None` where it is deleted."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What a proposal's text makes of the files of its base."""

    diff: str
    """Canonical: made anew from the files, in the order of their paths."""
    changes: Changes
    idle: str = ""
    """Why it is no experiment (it changes only comments, or only the seed); empty if it is one."""


# ---- proposing


class Revisions(Protocol):
    """What a proposer may ask of history. Every answer is a unified diff against `onto`, or None where it conflicts."""

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        """The changes of `trials` (each against its own base), cherry-picked in order onto the commit `onto`."""

    def revert(self, trial: str, onto: str) -> str | None:
        """The change of `trial` taken back on the commit `onto`."""

    def diff(self, trial: str) -> str:
        """The change of `trial` against its own base, as it was committed."""

    def curves(self, trial: str) -> tuple[Curve, ...]:
        """The learning curves of a closed trial."""

    def log(self, trial: str) -> str:
        """The bounded log of a closed trial's runs."""

    def guide(self) -> str:
        """The person's `program.md` in the workspace folder as it is now; empty where there is none."""

    def ideas(self) -> tuple[Idea, ...]:
        """Every idea that was queued, oldest first, the used ones too."""

    def clone(self, commit: str) -> Path:
        """A clone of the lab, with its history, tags and notes, that has `commit` checked out; always the same folder.

        What git ignores, and `scratch/`, is left there as it was. No remote: nothing comes back from it by itself.
        """

    def read(self, commit: str, path: str) -> bytes | None:
        """One file of a commit as it is stored; None if there is no such file."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What a loop has left before its limits end it; None: no limit."""

    trials: int | None = None
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """All that a proposer may know when it is asked. It must not keep it."""

    base: str
    """The commit to propose against: the tip of `main`."""
    files: Mapping[str, str]
    """The editable text files at `base`: path from the repository's root -> text."""
    history: History
    pending: tuple[Proposal, ...]
    """Proposals that are being run or wait for it; nothing like them should be made."""
    rng: np.random.Generator
    """Derived from the loop's seed and the number of the trial to come."""
    config: Config
    revisions: Revisions
    check: Callable[[str], str]
    """The canonical diff of a text as it would land on `base`; raises PatchError with what a model needs to mend it."""
    died: tuple[Proposal, ...] = ()
    """Proposals of this loop that died in their first step and became no trials; `refused` says of what."""
    remaining: Remaining = Remaining()
    stale: Proposal | None = None
    """A paid proposal for an older `main` that does not fit this one: who made it is asked to make it again."""
    ahead: int = 0
    """Slots that are measuring while this is asked, if its answer could wait until one of them has its verdict."""
    tell: Callable[[str], None] = lambda text: None
    """Says something to the person at once, while a proposer is still waited for."""


class Proposer(Protocol):
    """Makes proposals. Same context, same proposal."""

    name: str

    def propose(self, context: Context) -> Proposal | None:
        """The next proposal, or None where it has nothing (more) to try on this base.

        Raises ProposerError where it cannot go on in this loop at all; the others do. Raises VerdictAwaitedError, if
        `context.ahead`, for a proposer that should rather be asked when the verdicts of what runs now are known.
        """


# ---- executing


class Ending(StrEnum):
    """What ended a process: itself, or which of the supervisor's reasons."""

    EXITED = "exited"
    """By itself, with whatever status."""
    BUDGET = "budget"
    """Its time was used up; it was asked to finish in good order."""
    TIMEOUT = "timeout"
    HALTED = "halted"
    """By the monitor, which gives its reason."""
    LIMIT = "limit"
    """It broke a limit of the sandbox: memory, disk, processes."""
    CANCELLED = "cancelled"
    """By the person."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A monitor's word that a run shall not go on: `pruned` or `unstable`, and why.

    `truncated`: it has done enough, and is asked to finish in good order, as at the end of a budget.
    """

    status: RunStatus
    reason: str


class Monitor(Protocol):
    """Listens to a run while it runs."""

    def line(self, text: str, seconds: float) -> Halt | None:
        """One line of output (no newline; undecodable bytes replaced), `seconds` after the start."""

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Comes about once a second, whether or not the run prints, `seconds` after the start.

        `cpu`: seconds of processor time that its whole process tree has used; None if the executor cannot tell.
        """


@dataclass(frozen=True, slots=True)
class Job:
    """One command to run in a prepared checkout."""

    command: str
    """For `sh -c`, placeholders filled in."""
    checkout: Path
    """The root of the checkout. The process may write there, but not to `protected`."""
    folder: Path
    """Where the command starts: the checkout or a folder in it."""
    out: Path
    """The output folder; it exists. Writable unless `out_read_only`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment on top of the allow-list: threads, CUDA_VISIBLE_DEVICES, seeds."""
    protected: tuple[Path, ...] = ()
    """Files in the checkout that stay as they are."""
    data: tuple[Path, ...] = ()
    """Absolute paths that are readable at the same place."""
    masked: tuple[Path, ...] = ()
    """Absolute paths that look empty, though what lies around them is readable."""
    repository: Path | None = None
    """The person's own checkout: what the environment would import from there is taken from `checkout`."""
    seconds: float | None = None
    """The budget: after it SIGTERM, `grace` seconds, SIGKILL."""
    timeout: float | None = None
    """After it the run has failed, whatever it printed."""
    grace: float = 10.0
    out_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """How a command ran: facts of the supervisor, nothing that the process only said."""

    ending: Ending
    status: int | None
    """Exit status; negative: minus the signal's number; None where it was never started."""
    seconds: float
    peak_memory: int | None
    """Bytes, of the whole process tree."""
    log: str
    """Head and tail of the output, with a line that says how much was left out between."""
    reason: str = ""
    """Why it ended where it did not exit with 0, in one line: "out of GPU memory", "KeyError: 'x' (model.py:41)"."""
    halt: Halt | None = None

    @property
    def succeeded(self) -> bool:
        return self.ending is Ending.EXITED and self.status == 0


class Executor(Protocol):
    """Runs jobs; nothing that a job started is left when `run` returns."""

    @property
    def tier(self) -> str:
        """The level of protection in force, by its name; it stays the same as long as this executor lives."""

    @property
    def environment(self) -> Mapping[str, Scalar]:
        """What of this machine makes numbers comparable, for the record: device, threads, versions, sandbox tier."""

    def variables(self, slot: int, seed: int) -> Mapping[str, str]:
        """The environment of a run in `slot`: its threads, its GPUs, its seed; always the same for the same two."""

    def run(self, job: Job, monitor: Monitor, cancel: Event) -> Execution:
        """Runs to its end, or until `cancel` is set. Safe to call from several threads."""


# ---- evaluating


@dataclass(frozen=True, slots=True)
class More:
    """Not decided yet: run these seeds first, then ask again."""

    candidate: tuple[int, ...] = ()
    incumbent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Decided."""

    verdict: Verdict
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, float] = field(default_factory=dict)


class Reading(Monitor, Protocol):
    """A monitor that also tells what it has read so far, for the display."""

    @property
    def step(self) -> int | None:
        """The last step that was reported."""

    @property
    def loss(self) -> float | None:
        """The latest value of what the learning curve is made of."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """The finite numbers that were read so far, by the names of the configuration."""

    def followed(self, name: str) -> float | None:
        """Returns what the series `name` says at `step`, for pruning; None if it says nothing there."""


class Pruner(Protocol):
    """Is asked at each reported step whether the run may go on."""

    metric: str
    """The series that it compares."""
    halt: Halt | None
    """Its first decision to stop the run, also if the run was spared to see what pruning costs."""

    def check(self, step: int, loss: float, share: float | None = None) -> Halt | None:
        """Takes the loss reported at `step`; returns a Halt if the run shall end.

        `share` of the budget that is spent, if the steps do not tell it.
        """


PrunerFactory = Callable[[Trial, int, Record, int | None], Pruner | None]
"""(trial, seed, incumbent, steps) -> the pruner of that run; None if there is no curve to compare with."""


class Evaluator(Protocol):
    """From output to numbers, and from numbers to a verdict."""

    def reading(self, seed: int) -> Reading:
        """A fresh reading of one run's output."""

    def run(
        self, seed: int, reading: Reading, trained: Execution, evaluated: Execution | None
    ) -> tuple[Run, Curve | None]:
        """What the run amounts to. `evaluated` is the protected evaluator's execution, whose metrics go first."""

    def decide(self, runs: Sequence[Run], incumbent: Record | None, history: History, lines: int) -> More | Judgement:
        """The verdict on a candidate's `runs` so far against the incumbent's; `lines`: added minus removed by its diff.

        `incumbent` is None for a baseline, which is measured and accepted.
        """

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """The tip of the provisional line that a proof is due for, and what to run or say next; None if none is due.

        `line`: the kept trials since `main`, oldest first. `ending`: whether the loop ends.
        The tip is the candidate of a `More`, the accepted trial below the line its incumbent.
        """

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """What `main` gained over the first baseline, on seeds that neither chose nor proved; None if that is known.

        `main` is the candidate of a `More`, the first baseline its incumbent.
        """


# ---- remembering


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A finished run of an open trial, with all that closing the trial will need of it."""

    run: Run
    curve: Curve | None
    log: str
    reproduce: str
    spared: bool
    environment: Mapping[str, Scalar]
    """Where it was made, the configuration's hash included: it counts only where the next run would be made alike."""


class Ledger(Revisions, Protocol):
    """The only seam behind which git is spoken."""

    @property
    def private(self) -> Path:
        """The lab's folder outside git: checkouts, kept output, locks."""

    def main(self) -> str:
        """The commit at the tip of `main`."""

    def tip(self) -> str:
        """The commit that proposals are made on: the tip of the provisional line, else of `main`."""

    def files(self, commit: str) -> Mapping[str, str]:
        """The editable text files of a commit."""

    def records(self) -> Sequence[Record]:
        """Every closed trial, oldest first."""

    def is_own(self, trial: str) -> bool:
        """Whether a trial was made in this clone; others come by sync."""

    def unfinished(self) -> Sequence[Trial]:
        """Trials that were open when a loop ended; they run again under their numbers."""

    def open(self, proposal: Proposal, changes: Changes) -> Trial:
        """Commits `changes` on the proposal's base, claims the next number and makes the branch `exp/N`.

        A baseline is its base itself, a refused proposal an empty commit on it.
        """

    def keep_runs(self, trial: Trial, runs: Sequence[KeptRun]) -> None:
        """Keeps finished runs of an open trial until it is closed."""

    def kept_runs(self, trial: Trial) -> Sequence[KeptRun]:
        """Returns the finished runs of an open trial, by their seeds: made by an earlier loop, or in another clone."""

    def stage(self, base: str, changes: Changes) -> None:
        """Writes the files of `changes` on `base` to the disk, so that opening a trial of them is quick."""

    def keep(self, proposal: Proposal) -> None:
        """Keeps a proposal that was paid for until a trial takes it up, in this loop or another."""

    def forget(self, proposal: Proposal) -> None:
        """Keeps a proposal no longer: another one that counts its cost has taken its place."""

    def kept(self) -> Sequence[Proposal]:
        """The proposals that this lab keeps."""

    def lines(self, trial: Trial) -> int:
        """Lines that the commit of an open trial adds minus those it removes."""

    def discard(self, trial: Trial) -> None:
        """Takes an open trial back: its number is free again, as if it had never been opened."""

    def reopen(self, trials: Sequence[str]) -> None:
        """Withdraws the verdicts of closed dead trials; they are unfinished again, under their numbers."""

    def checkout(self, commit: str, slot: int) -> Path:
        """A clean detached checkout of `commit`, in a folder that belongs to `slot` (from 0) alone."""

    def close(self, record: Record, log: str, curves: Sequence[Curve]) -> Sequence[str]:
        """Writes the record and ends the branch, all in one transaction; `main` follows an accepted trial.

        Returns words for the person (files that wait because they are dirty). Raises MainMovedError where an accepted
        trial's base is no longer the tip of `main`, or a kept one's that of the provisional line; nothing was written.
        """

    def prove(self, records: Sequence[Record]) -> Sequence[str]:
        """Takes kept trials over to `main`, oldest first, all in one transaction; their records say so.

        Returns words for the person. Raises MainMovedError if `main` is no longer what the trials build on.
        """

    def disprove(self, records: Sequence[Record]) -> None:
        """Ends kept trials as unproved, as their records say; proposals are made on `main` again."""

    def difference(self, before: str, after: str) -> str:
        """The diff from one commit to another."""

    def note_check(self, trial: str, check: Mapping[str, Scalar]) -> Record:
        """Adds what a later measurement found to a closed trial's record."""

    def extend(self, trial: str, runs: Sequence[Run], curves: Sequence[Curve]) -> Record:
        """Adds later runs of a closed trial to its record (the incumbent on further seeds)."""
