"""The loop: propose, commit, train, evaluate, decide, record; again.

Several slots work side by side, each in a thread that repeats `step()`. What they share (the ledger, the history, the
queue) changes under one lock; training happens outside it. A verdict is final only when git has taken it: a change
that beat an older `main` is superseded and tried again on the new one, so the order of finishing never matters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime

from autogit import events
from autogit.config.model import Limits
from autogit.errors import BaselineError, BrokenEnvironmentError, Interrupted, MainMovedError
from autogit.events import Closed, Ended, Notice, Opened, Remaining, Started, Stopping
from autogit.protocols import Judgement, More
from autogit.records import AGAINST, CONFIG, IS_PROOF, IS_TOTAL, Proposal, Record, Scalar, Verdict
from autogit.trial.audit import Auditor
from autogit.trial.judge import Judge, Proof
from autogit.trial.queue import Candidate, NothingToPropose, OpenTrial, TrialQueue
from autogit.trial.session import Session
from autogit.trial.smoke import MAX_DEATHS_IN_A_ROW, death
from autogit.wording import counted

CRASHES_IN_A_ROW = 3
"""After so many the incumbent is run again, to tell bad proposals from a broken environment."""


class Loop:
    """Research on one lab until a limit, the person or a broken environment ends it."""

    def __init__(
        self,
        session: Session,
        queue: TrialQueue,
        judge: Judge,
        auditor: Auditor,
        limits: Limits,
        jobs: int = 1,
        notices: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Runs `jobs` slots side by side. `notices` takes what proposers have to tell since the last call."""
        self._session = session
        self._queue = queue
        self._judge = judge
        self._auditor = auditor
        self._limits = limits
        self._jobs = jobs
        self._notices = notices
        self._baseline_lock = threading.Lock()
        self._proof_lock = threading.Lock()
        self._interrupts = 0
        self._failed = False
        self._begun = 0
        self._closed: list[Record] = []
        self._crashed: list[str] = []
        self._deaths = 0
        self._in_work: dict[int, OpenTrial] = {}
        self._stop_reason = ""
        self._since = time.monotonic()

    def run(self) -> Ended:
        """Works until it has to stop, and returns why. Raises what ended it if that was an error."""
        session, seconds = self._session, self._judge.measurement.seconds
        self._since = time.monotonic()
        session.observer(Started(self._limits.trials, self._limits.hours, self._jobs, session.main(), seconds))
        self._pass_on_notices()
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="slot") as pool:
            workers = [pool.submit(self._work, slot) for slot in range(self._jobs)]
            self._wait(workers)
            failure = next((error for worker in workers if worker.done() and (error := worker.exception())), None)
            if failure is not None:
                # The error is the caller's to tell; the other slots give up.
                self._stop_reason = "ended by an error"
                session.ending.set()
                session.cancel.set()
            elif not session.cancel.is_set():
                closing = pool.submit(self._close_the_night)
                self._wait([closing])
                closing.result()
        # The trials have ended: nobody takes what is still being thought of.
        session.cancel.set()
        self._queue.end()
        accepted = tuple(r for c in self._closed if (r := session.history[c.id]).accepted)
        seconds = time.monotonic() - self._since
        ended = Ended(self._stop_reason, len(self._closed), accepted, seconds, self._interrupts > 0, self._failed)
        session.observer(ended)
        if failure is not None:
            raise failure
        return ended

    def step(self, slot: int = 0, given: Proposal | Candidate | None = None) -> Record:
        """One trial, of the given proposal or the next one: propose, commit, train and evaluate, decide, record."""
        trial = self._queue.commit(self._queue.propose(given))
        self._judge.resume(trial)
        self._begin(trial, slot, given)
        while isinstance(decision := self._judge.decide(trial, slot), More):
            self._judge.train_and_evaluate(trial, decision, slot)
        if self._takes_back(trial, slot):
            return self.step(slot)
        return self._record(trial, decision, slot)

    def measure_main(self, slot: int = 0) -> None:
        """Measures the tip of `main` if nobody has: at the start, and after a person's own commit."""
        with self._baseline_lock:
            self._give_up_old_line()
            candidate = self._queue.baseline()
            if candidate is not None:
                self.step(slot, candidate)
                self._auditor.audit(self._session.history.baseline, slot)

    def preview(self, count: int) -> list[Proposal]:
        """Returns the proposals that would come next, on the present `main`; nothing is run."""
        return self._queue.preview(count)

    def stop(self, reason: str, now: bool = False, by_person: bool = False) -> None:
        """Ends the loop after the current trials; with `now` they are given up and run again next time."""
        with self._session.lock:
            if not self._stop_reason:
                self._stop_reason = reason
                remaining = tuple(self._remaining(opened) for opened in self._in_work.values())
                self._session.observer(Stopping(reason, remaining, by_person))
        if now:
            self._session.cancel.set()

    # ---- one trial

    def _begin(self, opened: OpenTrial, slot: int, given: Proposal | Candidate | None) -> None:
        """Tells that a trial begins, and has the next proposal made meanwhile, unless this trial is the last."""
        self._pass_on_notices()
        with self._session.lock:
            trials = self._limits.trials
            goes_on = not self._stop_reason and (trials is None or self._begun + self._queue.ahead < trials)
            self._in_work[slot] = opened
        if given is None and goes_on:
            self._queue.prepare()
        self._session.observer(Opened(opened.trial, slot))

    def _takes_back(self, opened: OpenTrial, slot: int) -> bool:
        """Gives back the number of a change of our own that died in its first step; returns whether it did."""
        trial, session, reason = opened.trial, self._session, death(opened.trial, opened.runs)
        with session.lock:
            self._deaths = self._deaths + 1 if reason else 0
            if not reason or self._deaths > MAX_DEATHS_IN_A_ROW:
                return False
            session.ledger.discard(trial)
            self._in_work.pop(slot, None)
            self._queue.died(trial, reason)
        text = f"{trial.title} ({trial.operator}) dies in its first step, so it is no trial: {reason}"
        session.observer(Notice(text))
        self._suspect_environment(None, slot)
        if self._stop_reason:
            raise Interrupted(self._stop_reason)
        return True

    def _record(self, opened: OpenTrial, judgement: Judgement, slot: int) -> Record:
        trial, session, log = opened.trial, self._session, "\n".join(opened.logs)
        if trial.is_baseline and judgement.verdict is not Verdict.ACCEPTED:
            with session.lock:
                session.ledger.discard(trial)
            raise BaselineError(f"the unchanged code does not train: {judgement.reason}", log)
        record = Record(
            trial=trial,
            verdict=judgement.verdict,
            reason=judgement.reason,
            metrics=judgement.metrics,
            runs=tuple(opened.runs),
            environment={**self._judge.measurement.environment, CONFIG: session.config_hash},
            reproduce=opened.reproduce,
            closed=datetime.now(UTC).isoformat(timespec="seconds"),
            statistics=judgement.statistics,
        )
        with session.lock:
            try:
                notices = session.ledger.close(record, log, opened.curves)
            except MainMovedError:
                reason = f"beat an older main ({judgement.reason}); tried again on the new one"
                record = replace(record, verdict=Verdict.SUPERSEDED, reason=reason)
                notices = session.ledger.close(record, log, opened.curves)
            self._queue.closed(trial)
            self._in_work.pop(slot, None)
            session.history.add(record)
            if not trial.is_baseline:
                self._closed.append(record)
            session.observer(Closed(record, slot, session.history.improvement(record)))
        for text in notices:
            session.observer(Notice(text))
        self._suspect_environment(record, slot)
        return record

    def _suspect_environment(self, record: Record | None, slot: int) -> None:
        """After crashes in a row, tells bad proposals from a broken machine. No record: the trial was taken back."""
        session = self._session
        with session.lock:
            crashed = record is None or record.verdict is Verdict.CRASHED
            self._crashed = [*self._crashed, record.id if record else ""] if crashed else []
            incumbent = session.incumbent()
            if len(self._crashed) < CRASHES_IN_A_ROW or incumbent is None:
                return
            suspects, self._crashed = self._crashed, []
        ref = incumbent.trial.ref
        session.observer(Notice(f"{len(suspects)} crashes in a row: does {ref}, the incumbent, still run?"))
        measured = self._judge.run(incumbent.trial, incumbent.runs[0].seed, slot)
        if measured.run.status.counts:
            return
        suspects = [trial for trial in suspects if trial]
        with session.lock:
            session.ledger.reopen(suspects)
        names = ", ".join(f"exp/{trial}" for trial in suspects)
        again = f"{names} are open again and run when the next loop starts. " if suspects else ""
        raise BrokenEnvironmentError(
            f"the environment is broken: {ref}, the incumbent, fails too now ({measured.run.reason}). "
            f"{again}Look with: autogit doctor",
            measured.log,
        )

    # ---- many trials

    def _close_the_night(self) -> None:
        """Proves what is kept, so that it is not lost in the morning, and scores `main` on what chose nothing."""
        try:
            self._prove(0, ending=True)
            if not self._interrupts:
                self._measure_total(0)
                self._auditor.audit(self._session.main(), 0)
        except Interrupted:
            return  # the next loop goes on with it

    def _work(self, slot: int) -> None:
        try:
            self.measure_main(slot)
            while not self._must_stop():
                self.step(slot)
                self.measure_main(slot)
                self._prove(slot)
        except Interrupted as end:
            self.stop(str(end))
        except NothingToPropose as end:
            self._failed |= end.failed
            self.stop(str(end))

    def _wait(self, workers: list[Future[None]]) -> None:
        """Waits until all slots are done or one has failed. Ctrl-C: stop after the current trials; again: now."""
        while True:
            try:
                # Within the try: the second one may come while the first one is still being obeyed.
                if self._interrupts:
                    self._session.ending.set()
                    self.stop("stopped by the person", now=self._interrupts > 1, by_person=True)
                wait(workers, return_when=FIRST_EXCEPTION)
                return
            except KeyboardInterrupt:
                self._interrupts += 1

    def _must_stop(self) -> bool:
        """Returns whether a limit is reached; if not, one more trial counts as begun."""
        with self._session.lock:
            limits, history, incumbent = self._limits, self._session.history, self._session.main()
            target, value = self._session.config.metric.target, incumbent and history.value(incumbent)
            hours = (time.monotonic() - self._since) / 3600
            tried = [record for record in reversed(self._closed) if not record.trial.is_null]
            fruitless = next((i for i, r in enumerate(tried) if r.accepted or r.kept), len(tried))
            if target is not None and isinstance(value, float) and not history.better(target, value):
                self.stop(f"the target is reached: {history.metric.name} {value:.6g}")
            elif limits.trials is not None and self._begun >= limits.trials:
                self.stop("the limit of trials is reached")
            elif limits.hours is not None and hours >= limits.hours:
                self.stop(f"{limits.hours:g} hours are over")
            elif limits.patience is not None and fruitless >= limits.patience:
                self.stop(f"patience: {fruitless} trials in a row without an improvement")
            self._begun += not self._stop_reason
            return bool(self._stop_reason)

    def _remaining(self, opened: OpenTrial) -> Remaining:
        done, asked = len(opened.runs), max(opened.asked, 1)
        usual = sum(run.seconds for run in opened.runs) / done if done else self._session.history.usual_seconds()
        left = None
        if usual is not None:
            left = max(0.0, usual * (asked - done) - (time.monotonic() - opened.since))
        return Remaining(opened.trial, done, asked, left)

    def _pass_on_notices(self) -> None:
        for text in self._notices():
            self._session.observer(Notice(text))

    # ---- the provisional line

    def _prove(self, slot: int, ending: bool = False) -> None:
        """Has the provisional line prove itself if that is due, one proof at a time."""
        if not self._proof_lock.acquire(blocking=False):
            return
        try:
            proof = self._judge.prove(slot, ending)
            if proof is not None:
                self._record_proof(proof)
        finally:
            self._proof_lock.release()

    def _record_proof(self, proof: Proof) -> None:
        session, judgement = self._session, proof.judgement
        proved, tip = judgement.verdict is Verdict.ACCEPTED, proof.line[-1]
        facts: dict[str, Scalar] = {IS_PROOF: proved, AGAINST: proof.against.id, "reason": judgement.reason}
        facts |= judgement.statistics
        notices: Sequence[str] = ()
        with session.lock:
            trials = [session.history[record.id] for record in (proof.line if proved else session.line())]
            verdict = Verdict.ACCEPTED if proved else Verdict.UNPROVED
            ended = [replace(record, verdict=verdict, reason=_step_reason(record, tip, proof)) for record in trials]
            ended = [replace(r, checks=(*r.checks, facts)) if r.id == tip.id else r for r in ended]
            try:
                if proved:
                    notices = session.ledger.prove(ended)
                else:
                    session.ledger.disprove(ended)
            except MainMovedError:
                return  # a person's commit came first: the line is given up when that commit is measured
            for record in ended:
                session.history.add(record)
            improvement = session.history.improvement(session.history[tip.id]) if proved else None
            session.observer(events.Proof(tuple(ended), proof.against, proved, judgement.reason, improvement))
        for text in notices:
            session.observer(Notice(text))

    def _give_up_old_line(self) -> None:
        """Ends kept trials as unproved if `main` went another way: a person's own commit, an undo, a rewind."""
        session = self._session
        with session.lock:
            line = {record.id for record in session.line()}
            old = [r for r in session.history if r.kept and r.id not in line and session.ledger.is_own(r.id)]
            if not old:
                return
            reason = "main went another way before it was proved"
            ended = [replace(r, verdict=Verdict.UNPROVED, reason=f"{reason}; {r.reason}") for r in old]
            session.ledger.disprove(ended)
            for record in ended:
                session.history.add(record)
        names = ", ".join(record.trial.ref for record in ended)
        session.observer(Notice(f"{names}: {reason}"))

    def _measure_total(self, slot: int) -> None:
        """Measures what `main` gained over the first baseline, on seeds that neither chose nor proved, and notes it."""
        found = self._judge.total(slot)
        if found is not None:
            main, judgement = found
            with self._session.lock:
                noted = self._session.ledger.note_check(main.id, {IS_TOTAL: True, **judgement.statistics})
                self._session.history.add(noted)


def _step_reason(record: Record, tip: Record, proof: Proof) -> str:
    """Says what became of one kept trial of a line that raced as a whole."""
    count, judgement = len(proof.line), proof.judgement
    if judgement.verdict is not Verdict.ACCEPTED:
        return f"its line of {counted(count, 'change')} was not proved: {judgement.reason}; {record.reason}"
    if count == 1:
        return f"{judgement.reason}; {record.reason}"
    where = f"proved as a whole: {judgement.reason}" if record.id == tip.id else f"inside what {tip.trial.ref} proved"
    return f"{record.reason}; {where}"
