"""What is tried next: what an earlier loop left open, a baseline, else the next proposal. Opens trials."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from autogit.diff import grown_by
from autogit.history import History
from autogit.protocols import Ledger
from autogit.records import BASELINE, Curve, Proposal, Run, Trial
from autogit.trial.landing import Ready
from autogit.trial.measure import Measured
from autogit.trial.proposals import Proposals


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


class Agenda:
    """Opens trials, one at a time, for however many slots. What it knows is derived from the ledger at the start."""

    def __init__(self, ledger: Ledger, history: History, proposals: Proposals, turn: threading.RLock) -> None:
        self._ledger = ledger
        self._history = history
        self._proposals = proposals
        self._turn = turn
        self._unfinished = list(ledger.unfinished())

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
            return self.open(Proposal(base=main, diff="", title=title, proposer=BASELINE, operator=BASELINE))

    def next(self) -> Work:
        """Opens the next trial. Raises NothingToPropose, Interrupted."""
        with self._turn:
            if self._unfinished:
                trial = self._unfinished.pop(0)
                self._proposals.reopened(trial)
                return Work(trial, self._ledger.lines(trial))
        return self._open(self._proposals.next())

    def open(self, proposal: Proposal) -> Work:
        """Opens a trial of a proposal that is given."""
        return self._open(self._proposals.land(proposal))

    def closed(self, trial: Trial) -> None:
        """The trial is no longer in work."""
        self._proposals.closed(trial)

    def _open(self, ready: Ready) -> Work:
        """Gives a proposal its number; one that cannot land keeps its reason and never runs."""
        proposal = ready.proposal
        with self._turn:
            trial = self._ledger.open(proposal, ready.landed.changes)
            self._proposals.opened(proposal, trial)
        work = Work(trial, grown_by(ready.landed.diff), proposal.refused)
        if proposal.refused:
            work.logs.append(proposal.raw or proposal.diff)
        return work
