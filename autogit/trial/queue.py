"""The queue of trials: what an earlier loop left open, a baseline, a retry, else the next proposal.

The next proposal is made, landed and written while the present trial trains. It is made from what was known when that
trial began: the trials closed by then, and the open ones as pending. Whether it was ready in time or had to be waited
for changes nothing about it, so that the same lab proposes the same again. If `main` has moved meanwhile it is thrown
away and made anew; one that was paid for is put onto the new `main` instead, or given back once to who made it if it
does not fit, and one that no trial took up is kept in git for the next loop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from autogit.config.model import Config
from autogit.diff import grown_by
from autogit.errors import CostLimitError, Interrupted, PatchError, ProposerError, VerdictAwaitedError
from autogit.events import Notice
from autogit.history import History
from autogit.protocols import Context, Landed, Proposer, Remaining
from autogit.records import BASELINE, NULL, Curve, Proposal, Record, Run, Trial, Usage, Verdict
from autogit.trial.measure import Measured
from autogit.trial.session import Session

RETRY = "retry"
"""Operator of a superseded trial that is tried again on the new `main`."""
_POLL_SECONDS = 0.1
"""Seconds after which a slot that waits for a proposal notices that the person stopped the loop."""

Land = Callable[[str, str], Landed]
"""(text, base commit) -> what lands; raises PatchError."""


class NothingToPropose(Exception):
    """The proposers have tried everything on this base, or cannot go on. `failed`: not for a limit that is reached."""

    def __init__(self, reason: str, failed: bool = False) -> None:
        super().__init__(reason)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is tried next: a proposal and what it lands as, or a trial that an earlier loop left open."""

    proposal: Proposal
    landed: Landed = field(default_factory=lambda: Landed("", {}))
    trial: Trial | None = None


@dataclass(slots=True)
class OpenTrial:
    """A trial in work: what has been measured of it so far."""

    trial: Trial
    lines: int
    """Added minus removed by its diff."""
    refused: str = ""
    runs: list[Run] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    reproduce: str = ""
    asked: int = 0
    """Runs that were asked for until now."""
    checked: bool = False
    """Whether it has been through the gate before training."""
    since: float = field(default_factory=time.monotonic)
    """When its present run began, by the monotonic clock in seconds."""
    kept: int = 0
    """How many of its runs are in git already, though it is open."""
    spared: bool = False
    """Whether a run would have been pruned, and was allowed to finish to see what pruning costs."""

    def curve(self, seed: int) -> Curve | None:
        """The learning curve of its run with `seed`."""
        return next((curve for curve in self.curves if curve.seed == seed), None)

    def add(self, measured: Measured) -> None:
        """Takes in one more run."""
        self.runs.append(measured.run)
        self.since = time.monotonic()
        self.logs.append(measured.log)
        self.reproduce = self.reproduce or measured.reproduce
        self.spared |= measured.spared
        if measured.curve is not None:
            self.curves.append(measured.curve)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a proposal is made from."""

    base: str
    history: History
    pending: tuple[Proposal, ...]
    died: tuple[Proposal, ...]
    ahead: int = 0
    """Slots that are measuring, if the proposal is made before their verdicts are needed."""


class TrialQueue:
    """Opens trials, one at a time, for however many slots. All that it knows at the start comes from the ledger."""

    def __init__(self, session: Session, proposer: Proposer, land: Land, seed: int = 0, null_rate: float = 0.0) -> None:
        """`seed` of the proposers; `null_rate` is the share of trials that change nothing (see `Loop`)."""
        self._session = session
        self._ledger = session.ledger
        self._history = session.history
        self._proposer = proposer
        self._land = land
        self._seed = seed
        self._null_rate = null_rate
        self._lock = session.lock
        self._change = threading.Condition(session.lock)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="proposals")
        self._ahead: deque[tuple[_Known, Future[Candidate | None]]] = deque()
        self._waiting: list[Proposal] = []
        self._running: dict[str, Proposal] = {}
        self._died: tuple[Proposal, ...] = ()
        self._unfinished = list(self._ledger.unfinished())
        self._left_out: ProposerError | None = None
        self._closed = 0
        self._since = time.monotonic()
        self._given_back: set[Usage | None] = set()
        taken_up = {trial.usage for trial in (*self._unfinished, *(record.trial for record in self._history))}
        # If models are left out, what they made waits.
        config = session.config
        paid = self._ledger.kept() if config.llm or config.agent.command else ()
        self._paid = [proposal for proposal in paid if proposal.usage not in taken_up]

    def propose(self, given: Proposal | Candidate | None = None) -> Candidate:
        """Returns what is tried next: what is given, an open trial of an earlier loop, else a new proposal.

        Raises NothingToPropose, and Interrupted if the loop ends.
        """
        if isinstance(given, Proposal):
            with self._lock:
                return self._left_open(self._landed(given))
        if given is not None:
            return given
        with self._lock:
            if self._unfinished:
                return self._reopened(self._unfinished.pop(0))
        return self._next()

    def baseline(self) -> Candidate | None:
        """Returns the measurement of `main` if no accepted trial is at its tip; it goes before everything else."""
        with self._lock:
            main = self._ledger.main()
            for trial in [t for t in self._unfinished if t.is_baseline]:
                self._unfinished.remove(trial)
                if trial.commit == main:
                    return self._reopened(trial)
                self._ledger.discard(trial)
            if self._history.at(main) is not None:
                return None
            first = "Baseline under a new configuration" if len(self._history) else "Baseline"
            title = first if self._history.baseline is None else "Baseline after a person's commit"
            return self._landed(Proposal(base=main, diff="", title=title, proposer=BASELINE, operator=BASELINE))

    def commit(self, candidate: Candidate) -> OpenTrial:
        """Commits a candidate as `exp/N`. One that cannot land keeps its reason and never runs."""
        proposal, trial = candidate.proposal, candidate.trial
        if trial is not None:
            opened = OpenTrial(trial, 0 if trial.is_baseline else self._ledger.lines(trial))
        else:
            with self._lock:
                trial = self._ledger.open(proposal, candidate.landed.changes)
                self._waiting.remove(proposal)
                self._running[trial.id] = proposal
            opened = OpenTrial(trial, grown_by(candidate.landed.diff), proposal.refused)
            if proposal.refused:
                opened.logs.append(proposal.raw or proposal.diff)
        return opened

    def closed(self, trial: Trial) -> None:
        """Takes note that the trial is no longer in work."""
        with self._change:
            self._running.pop(trial.id, None)
            self._closed += not trial.is_baseline
            self._change.notify_all()

    def died(self, trial: Trial, reason: str) -> None:
        """Takes note that the trial died in its first step and was taken back: its change is not made again."""
        with self._change:
            self._died = (*self._died, replace(self._running.pop(trial.id), refused=reason))
            self._change.notify_all()

    def prepare(self, ahead: bool = True) -> None:
        """Begins to make one more proposal, from what is known now. The slot that is free first takes it.

        `ahead`: nobody needs it yet, so that a model may rather wait for the verdicts of what is measured now.
        """
        with self._lock:
            known = self._known(len(self._running) if ahead else 0)
            self._ahead.append((known, self._worker.submit(self._prepared, known)))

    @property
    def ahead(self) -> int:
        """How many proposals are made, or being made, for trials to come."""
        return len(self._ahead)

    def preview(self, count: int) -> list[Proposal]:
        """Returns what would be proposed next, one after the other, without opening anything."""
        while len(self._waiting) < count:
            if self._retry() is None:
                proposal = self._make(self._known())
                if proposal is None:
                    break
                self._waiting.append(proposal)
        proposals, self._waiting = self._waiting, []
        return proposals

    def end(self) -> None:
        """Stops making proposals; a model that is still waited for is given up by the session's `cancel`."""
        self._worker.shutdown(cancel_futures=True)

    # ---- waiting for one

    def _next(self) -> Candidate:
        while True:
            retry = self._retry()
            if retry is not None:
                return retry
            with self._lock:
                if not self._ahead:
                    self.prepare(ahead=False)
                known, ahead = self._ahead.popleft()
            while not wait([ahead], _POLL_SECONDS).done:
                self._raise_if_ending()
            try:
                candidate = ahead.result()
            except VerdictAwaitedError:
                continue
            tip = self._ledger.tip()
            if candidate is None:
                self._await_change(known)
            elif candidate.proposal.base == tip:
                return candidate
            else:
                self._waiting.remove(candidate.proposal)
                if candidate.proposal.usage is not None:
                    self._paid.insert(0, candidate.proposal)

    def _raise_if_ending(self) -> None:
        if self._session.ending.is_set():
            raise Interrupted("stopped before the next trial began")

    def _await_change(self, known: _Known) -> None:
        """Waits until more is known: what other slots run may bring another main, or a change to try again."""
        with self._change:
            same = known.base, len(known.history), known.died
            while not self._ahead and same == (self._ledger.tip(), len(self._history), self._died):
                if not self._pending and self._left_out is not None:
                    raise NothingToPropose(str(self._left_out), not isinstance(self._left_out, CostLimitError))
                if not self._pending:
                    raise NothingToPropose(nothing_left(self._session.config))
                self._change.wait(_POLL_SECONDS)
                self._raise_if_ending()

    # ---- making one

    def _known(self, ahead: int = 0) -> _Known:
        with self._lock:
            return _Known(self._ledger.tip(), self._history.snapshot(), self._pending, self._died, ahead)

    @property
    def _pending(self) -> tuple[Proposal, ...]:
        return (*self._running.values(), *self._waiting)

    def _prepared(self, known: _Known) -> Candidate | None:
        try:
            proposal, self._left_out = self._make(known), None
        except ProposerError as error:
            proposal, self._left_out = None, error
        if proposal is None:
            return None
        candidate = self._landed(proposal)
        self._ledger.stage(candidate.proposal.base, candidate.landed.changes)
        return candidate

    def _make(self, known: _Known) -> Proposal | None:
        stale = None
        if self._paid:
            paid = self._paid.pop(0)
            stale = moved(paid, known.base, self._land)
            if paid.refused or not stale.refused or paid.usage in self._given_back:
                return stale
        with self._lock:
            # What other slots have begun since then, besides.
            pending = (*known.pending, *(p for p in self._pending if p not in known.pending))
            files = self._ledger.files(known.base)
        # The baseline is always trial 0: a preview before it shows what comes after it.
        number = max(1, len(known.history)) + len(pending) + len(known.died)
        if not stale and np.random.default_rng([self._seed, number, 1]).random() < self._null_rate:
            rationale = "changes nothing, to see how often the rule is fooled; never merged"
            return Proposal(known.base, "", "A change that does nothing", NULL, NULL, rationale)
        proposal = self._proposer.propose(
            Context(
                base=known.base,
                files=files,
                history=known.history.without_nulls(),
                pending=tuple(p for p in pending if p.proposer != NULL),
                rng=np.random.default_rng([self._seed, number]),
                config=self._session.config,
                revisions=self._ledger,
                check=lambda text: experiment(text, known.base, self._land),
                died=known.died,
                remaining=self._remaining(),
                stale=stale,
                ahead=known.ahead,
                tell=lambda text: self._session.observer(Notice(text)),
            )
        )
        if proposal is None:
            return stale
        if proposal.usage is not None:
            self._ledger.keep(proposal)
        if stale is not None:
            self._given_back.add(proposal.usage)
            self._ledger.forget(stale)
        return proposal

    def _remaining(self) -> Remaining:
        limits = self._session.config.limits
        hours = None if limits.hours is None else limits.hours - (time.monotonic() - self._since) / 3600
        begun = self._closed + len(self._running)
        trials = None if limits.trials is None else max(1, limits.trials - begun)
        return Remaining(trials, None if hours is None else max(0.0, hours))

    def _landed(self, proposal: Proposal) -> Candidate:
        """Returns a proposal with what it lands as; one that cannot land is refused and says why."""
        landed = Landed("", {})
        if not proposal.refused and proposal.proposer not in (BASELINE, NULL):
            try:
                landed = self._land(proposal.diff, proposal.base)
            except PatchError as error:
                proposal = replace(proposal, refused=str(error))
        self._waiting.append(proposal)
        return Candidate(proposal, landed)

    # ---- trials that were there before

    def _left_open(self, candidate: Candidate) -> Candidate:
        """Returns the open trial of the same change on the same base if one was left, else the candidate."""
        given, diff = candidate.proposal, candidate.landed.diff
        for trial in self._unfinished:
            like = trial.base == given.base and trial.proposer == given.proposer and not trial.is_baseline
            if like and diff and self._land(self._ledger.diff(trial.id), trial.base).diff == diff:
                self._unfinished.remove(trial)
                self._waiting.remove(given)
                return self._reopened(trial)
        return candidate

    def _reopened(self, trial: Trial) -> Candidate:
        """Returns a trial that an earlier loop left open; it is in work again."""
        proposal = Proposal(
            trial.base, "" if trial.is_baseline else self._ledger.diff(trial.id), trial.title, trial.proposer,
            trial.operator, parameters=trial.parameters, parents=trial.parents, idea=trial.idea,
        )  # fmt: skip
        self._running[trial.id] = proposal
        return Candidate(proposal, trial=trial)

    def _retry(self) -> Candidate | None:
        """Returns a superseded trial that has not been tried on a newer `main` yet."""
        with self._lock:
            retries = [r.trial.parents for r in self._history if r.trial.operator == RETRY]
            retries += [p.parents for p in self._pending if p.operator == RETRY]
            retried = {parent for parents in retries for parent in parents}
            due = (r for r in self._history if r.verdict is Verdict.SUPERSEDED and r.id not in retried)
            record = next(due, None)
            return None if record is None else self._landed(self._again(record))

    def _again(self, record: Record) -> Proposal:
        trial, tip = record.trial, self._ledger.tip()
        diff = self._ledger.transplant([trial.id], tip)
        return Proposal(
            base=tip,
            diff=diff or self._ledger.diff(trial.id),
            title=trial.title,
            rationale=trial.rationale,
            proposer=trial.proposer,
            operator=RETRY,
            parameters=trial.parameters,
            parents=(trial.id,),
            refused="" if diff else f"conflicts with the new main: {trial.ref} no longer applies",
        )


def nothing_left(config: Config) -> str:
    """Returns the sentence for a lab that has tried everything, with what would help by its configuration."""
    space = config.space
    named = ", ".join(list(space.parameters)[:4]) + (", ..." if len(space.parameters) > 4 else "")
    helps = [f"more parameters or wider ranges in [space] (it has {named or 'none'})"]
    helps += [] if space.discovers else ["discover = true in [space], which searches constants that nobody declared"]
    helps += [] if config.catalogue else ["catalogue = true"]
    helps += ["a [[pattern]] of your own"]
    helps += [] if config.llm or config.agent.command else ["a model in [llm] or a coding agent in [agent]"]
    return f"nothing is left to propose on this main. What would help: {'; '.join(helps)}"


def experiment(text: str, base: str, land: Land) -> str:
    """Returns the canonical diff of what lands and teaches something. Raises PatchError.

    A person may try what does not: a null check.
    """
    landed = land(text, base)
    if landed.idle:
        raise PatchError(f"the diff {landed.idle}: there is nothing to measure")
    return landed.diff


def moved(proposal: Proposal, main: str, land: Land) -> Proposal:
    """Puts a proposal that was paid for onto a newer `main`; it is refused if it does not fit there."""
    if proposal.refused or proposal.base == main:
        return replace(proposal, base=main)
    problem = ""
    for diff in (proposal.diff, _without_context(proposal.diff)):
        try:
            return replace(proposal, base=main, diff=experiment(diff, main, land))
        except PatchError as error:
            problem = problem or str(error)
    return replace(proposal, base=main, refused=f"made for an older main, and not fit for the new one: {problem}")


def _without_context(diff: str) -> str:
    """Returns the changed lines alone, which can be found even if lines around them are no longer the same."""
    lines = ["@@" if line.startswith(" ") else line for line in diff.splitlines()]
    return "\n".join(a for a, b in pairwise([*lines, "@@"]) if not (a.startswith("@@") and b.startswith("@@"))) + "\n"
