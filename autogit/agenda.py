"""What is tried next: what an earlier loop left open, a baseline, what has to be tried again, else a new proposal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autogit.config import Config
from autogit.errors import PatchError
from autogit.history import History
from autogit.measurement import Measured
from autogit.protocols import Changes, Context, Ledger, Proposer
from autogit.records import BASELINE, Curve, Proposal, Record, Run, Trial, Verdict

RETRY = "retry"
"""Operator of a superseded trial that is tried again on the new `main`."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A proposal's text as it lands on its base."""

    diff: str
    changes: Changes
    idle: str = ""
    """Why it is no experiment (it changes only comments, or only the seed); empty where it is one."""


Land = Callable[[str, str], Landed]
"""(text, base commit) -> what lands; raises PatchError."""


@dataclass(slots=True)
class Work:
    """A trial in work: what has been measured of it so far."""

    trial: Trial
    lines: int
    """Added minus removed by its diff."""
    refused: str = ""
    runs: list[Run] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    reproduce: str = ""
    audited: bool = False

    def add(self, measured: Measured) -> None:
        """Takes in one more run."""
        self.runs.append(measured.run)
        self.logs.append(measured.log)
        self.reproduce = self.reproduce or measured.reproduce
        self.audited |= measured.audited
        if measured.curve is not None:
            self.curves.append(measured.curve)


class NothingToPropose(Exception):
    """The proposers have tried everything on this base."""


class Agenda:
    """Opens trials, one at a time, for however many slots. What it knows is derived from the ledger at the start."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        proposer: Proposer,
        history: History,
        land: Land,
        seed: int,
        turn: threading.RLock,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._proposer = proposer
        self._history = history
        self._land = land
        self._seed = seed
        self._turn = turn
        self._proposing = threading.Lock()
        self._unfinished = list(ledger.unfinished())
        self._pending: list[Proposal] = []
        self._running: dict[str, Proposal] = {}

    def baseline(self) -> Work | None:
        """The measurement of `main`, where no accepted trial is at its tip; it goes before everything else."""
        with self._turn:
            main = self._ledger.main()
            for trial in [t for t in self._unfinished if t.is_baseline]:
                self._unfinished.remove(trial)
                if trial.commit == main:
                    return Work(trial, 0)
                self._ledger.discard(trial)
            if self._history.at(main) is not None:
                return None
            title = "Baseline" if self._history.baseline is None else "Baseline after a person's commit"
            return self._claim(Proposal(base=main, diff="", title=title, proposer=BASELINE, operator=BASELINE))

    def next(self, proposal: Proposal | None = None) -> Work:
        """Opens the next trial, or one of `proposal`. Raises NothingToPropose."""
        with self._turn:
            if self._unfinished and proposal is None:
                trial = self._unfinished.pop(0)
                return Work(trial, self._ledger.lines(trial))
        with self._proposing:
            proposal = proposal or self._retry() or self._propose()
            # Under the same lock, so that whoever proposes next knows of it.
            self._pending.append(proposal)
        try:
            return self._claim(proposal)
        finally:
            self._pending.remove(proposal)

    def preview(self, count: int) -> list[Proposal]:
        """What would be proposed next, one after the other, without opening anything."""
        with self._proposing:
            try:
                while len(self._pending) < count:
                    self._pending.append(self._retry() or self._propose())
            except NothingToPropose:
                pass
            proposals, self._pending = self._pending, []
            return proposals

    def closed(self, trial: Trial) -> None:
        """The trial is no longer in work."""
        self._running.pop(trial.id, None)

    def _propose(self) -> Proposal:
        with self._turn:
            base = self._ledger.main()
            pending = (*self._pending, *self._running.values())
            context = Context(
                base=base,
                files=self._ledger.files(base),
                history=self._history,
                pending=pending,
                # The baseline is always trial 0: a preview before it shows what comes after it.
                rng=np.random.default_rng([self._seed, max(1, len(self._history)) + len(pending)]),
                config=self._config,
                revisions=self._ledger,
                check=lambda text: self._experiment(text, base),
            )
        proposal = self._proposer.propose(context)
        if proposal is None:
            raise NothingToPropose("nothing is left to propose on this main: widen [space] or add a proposer")
        return proposal

    def _retry(self) -> Proposal | None:
        """A superseded trial that has not been tried on a newer `main` yet."""
        with self._turn:
            retries = [r.trial.parents for r in self._history if r.trial.operator == RETRY]
            retries += [p.parents for p in (*self._pending, *self._running.values()) if p.operator == RETRY]
            retried = {parent for parents in retries for parent in parents}
            due = (r for r in self._history if r.verdict is Verdict.SUPERSEDED and r.id not in retried)
            record = next(due, None)
            return None if record is None else self._again(record)

    def _again(self, record: Record) -> Proposal:
        trial, main = record.trial, self._ledger.main()
        diff = self._ledger.transplant([trial.id], main)
        return Proposal(
            base=main,
            diff=diff or self._ledger.diff(trial.id),
            title=trial.title,
            rationale=trial.rationale,
            proposer=trial.proposer,
            operator=RETRY,
            parameters=trial.parameters,
            parents=(trial.id,),
            refused="" if diff else f"conflicts with the new main: {trial.ref} no longer applies",
        )

    def _experiment(self, text: str, base: str) -> str:
        """The canonical diff of what lands and teaches something. A person may try what does not: a null check."""
        landed = self._land(text, base)
        if landed.idle:
            raise PatchError(f"the diff {landed.idle}: there is nothing to measure")
        return landed.diff

    def _claim(self, proposal: Proposal) -> Work:
        """Lands a proposal and gives it a number; one that cannot land keeps its reason and never runs."""
        landed = Landed("", {})
        if not proposal.refused and proposal.proposer != BASELINE:
            try:
                landed = self._land(proposal.diff, proposal.base)
            except PatchError as error:
                proposal = replace(proposal, refused=str(error))
        with self._turn:
            trial = self._ledger.open(proposal, landed.changes)
            self._running[trial.id] = proposal
            work = Work(trial, _added(landed.diff), proposal.refused)
            if proposal.refused:
                work.logs.append(proposal.raw or proposal.diff)
            return work


def _added(diff: str) -> int:
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    return sum(line.startswith("+") for line in lines) - sum(line.startswith("-") for line in lines)
