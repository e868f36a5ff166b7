"""How a trial gets its verdict: seed after seed, until the evaluator has seen enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from autogit.config.model import Config
from autogit.events import Observer, Ran
from autogit.history import History
from autogit.protocols import Evaluator, Judgement, Ledger, More, Proposer
from autogit.records import Record, Run, Trial, Verdict
from autogit.trial.agenda import Work
from autogit.trial.landing import Land
from autogit.trial.measure import Measured, Measurement
from autogit.trial.watching import Prune, Pruner

TIMEOUT_FACTOR = 5.0
"""A run that takes this many times as long as the baseline's has failed, where the configuration names no time."""
DECIDED = ("undo", "roll-back")
"""Operators of changes that are not up for judgement: the person or the rule has decided; they are only measured."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the composition root hands to the loop."""

    config: Config
    ledger: Ledger
    evaluator: Evaluator
    proposer: Proposer
    measurement: Measurement
    history: History
    config_hash: str
    land: Land
    prune: Callable[[Trial, int, Record, int | None], Pruner | None]
    """(trial, seed, incumbent, steps) -> the pruner of that run, where there is a curve to compare with."""
    words: Callable[[], Sequence[str]]
    """What the proposers have to say to the person since the last call."""
    certify: Callable[[Record], tuple[Record, More | Judgement] | None]
    """(tip of main) -> the state to hold it against and what to run or say next; None where nothing is due."""


class Judging:
    """Runs candidates and incumbents as the evaluator asks for them."""

    def __init__(self, rooms: Rooms, observer: Observer, turn: threading.RLock) -> None:
        self._rooms = rooms
        self._observer = observer
        self._turn = turn
        self._repeats: dict[tuple[str, int], threading.Lock] = {}

    def judge(self, work: Work, slot: int) -> Judgement:
        """Runs seed after seed until the evaluator has seen enough."""
        if work.refused:
            return Judgement(Verdict.INVALID, work.refused)
        rooms, trial = self._rooms, work.trial
        while True:
            with self._turn:
                incumbent = None if trial.is_baseline else rooms.history.at(trial.base)
                decision = rooms.evaluator.decide(work.runs, incumbent, rooms.history, work.lines)
            if isinstance(decision, Judgement):
                return self._decided(decision, work, slot)
            for seed in decision.incumbent:
                assert incumbent is not None
                self.repeat(incumbent, seed, slot)
            for seed in decision.candidate:
                work.add(self.run(trial, seed, slot, self._prune(work, seed, incumbent), work.runs))
                self._observer(Ran(trial, slot, work.runs[-1]))
                if not work.runs[-1].status.counts:
                    break

    def run(
        self, trial: Trial, seed: int, slot: int, prune: Prune | None = None, before: Sequence[Run] = ()
    ) -> Measured:
        """One run, with what bounds it. `before`: the runs that the trial has had."""
        baseline = self._rooms.history.baseline
        first = (baseline.runs if baseline else before)[:1]
        until = first[0].step if first else None
        return self._rooms.measurement.run(trial, seed, slot, self.timeout(), prune, until)

    def repeat(self, closed: Record, seed: int, slot: int) -> None:
        """Makes a run of a closed trial that is missing, once, whichever slot asks first."""
        with self._turn:
            lock = self._repeats.setdefault((closed.id, seed), threading.Lock())
        with lock:
            if self._rooms.history[closed.id].run(seed) is not None:
                return
            measured = self.run(closed.trial, seed, slot)
            self._observer(Ran(closed.trial, slot, measured.run))
            with self._turn:
                curves = [measured.curve] if measured.curve else []
                self._rooms.history.add(self._rooms.ledger.extend(closed.id, [measured.run], curves))

    def certify(self, slot: int) -> tuple[Record, Record, Judgement] | None:
        """(tip, anchor, judgement) where the tip of `main` was due to prove itself on seeds of its own."""
        rooms = self._rooms
        while True:
            with self._turn:
                tip = rooms.history.at(rooms.ledger.main())
                due = None if tip is None else rooms.certify(tip)
            if tip is None or due is None:
                return None
            anchor, word = due
            if isinstance(word, Judgement):
                return tip, anchor, word
            for seed in word.candidate:
                self.repeat(tip, seed, slot)
            for seed in word.incumbent:
                self.repeat(anchor, seed, slot)

    def _prune(self, work: Work, seed: int, incumbent: Record | None) -> Prune | None:
        # The first run only: who is still in the race after it has to be measured, and not by half a run.
        if work.runs or incumbent is None or work.trial.operator in DECIDED:
            return None
        with self._turn:
            return partial(self._rooms.prune, work.trial, seed, self._rooms.history[incumbent.id])

    def timeout(self) -> float | None:
        """Seconds after which a run has failed; None for the first baseline, of which nothing is known."""
        budget, baseline = self._rooms.config.budget, self._rooms.history.baseline
        if budget.timeout is not None or baseline is None:
            return budget.timeout
        return TIMEOUT_FACTOR * max(run.seconds for run in baseline.runs) + budget.grace

    def _decided(self, judgement: Judgement, work: Work, slot: int) -> Judgement:
        if work.audited:
            judgement = replace(judgement, statistics={**judgement.statistics, "audited": 1.0})
        if work.trial.is_null and judgement.verdict is Verdict.ACCEPTED:
            reason = f"nothing was changed, and the rule was fooled: {judgement.reason}"
            statistics = {**judgement.statistics, "fooled": 1.0}
            return replace(judgement, verdict=Verdict.REJECTED, reason=reason, statistics=statistics)
        if work.trial.operator in DECIDED and judgement.verdict is Verdict.REJECTED:
            reason = f"taken back, whatever it measures: {judgement.reason}"
            return replace(judgement, verdict=Verdict.ACCEPTED, reason=reason)
        if judgement.verdict is Verdict.ACCEPTED and not work.trial.is_baseline and work.trial.operator not in DECIDED:
            overspent = self._rooms.measurement.overspent(work.trial, work.runs[0].seed, slot, self.timeout())
            if overspent:
                return replace(judgement, verdict=Verdict.REJECTED, reason=f"{overspent} ({judgement.reason})")
        return judgement
