"""The loop: propose, commit, train, evaluate, decide, record; again.

Several slots work side by side, each in a thread that repeats `step()`. What they share (the ledger, the history, whose
turn it is) changes under one lock; training happens outside it. A verdict is final only when git has taken it: a change
that beat an older `main` is superseded and tried again on the new one, so the order of finishing never matters.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime

from autogit.config.model import Limits
from autogit.errors import BaselineError, BrokenEnvironmentError, Interrupted, MainMovedError
from autogit.events import Closed, Ended, Notice, Observer, Opened, Started, Stopping
from autogit.protocols import Judgement
from autogit.records import Proposal, Record, Verdict
from autogit.trial.agenda import Agenda, Work
from autogit.trial.audit import Auditing
from autogit.trial.judge import Judging, Rooms
from autogit.trial.proposals import NothingToPropose, Proposals
from autogit.trial.smoke import MAX_DEATHS_IN_A_ROW, death

CRASHES_IN_A_ROW = 3
"""After so many the incumbent is run again, to tell bad proposals from a broken environment."""


class Loop:
    """Research on one lab until a limit, the person or a broken environment ends it."""

    def __init__(
        self,
        rooms: Rooms,
        limits: Limits,
        observer: Observer,
        cancel: threading.Event,
        jobs: int = 1,
        seed: int = 0,
        null_rate: float = 0.0,
    ) -> None:
        """`null_rate` is the share of trials that change nothing, to see how often the rule is fooled."""
        self._rooms = rooms
        self._limits = limits
        self._observer = observer
        self._cancel = cancel
        self._jobs = jobs
        self._turn = threading.RLock()
        self._baseline = threading.Lock()
        self._hurry = threading.Event()
        self._interrupted = False
        self._proposals = Proposals(
            rooms.config, rooms.ledger, rooms.proposer, rooms.history, rooms.land, seed, self._turn, self._hurry,
            null_rate,
        )  # fmt: skip
        self._agenda = Agenda(rooms.ledger, rooms.history, self._proposals, self._turn)
        self._judging = Judging(rooms, observer, self._turn)
        self._auditing = Auditing(rooms, observer, self._turn)
        self._begun = 0
        self._closed: list[Record] = []
        self._crashed: list[str] = []
        self._deaths = 0
        self._stopping = ""
        self._since = time.monotonic()

    def run(self) -> Ended:
        """Works until it has to stop; says why. Raises what ended it where that was an error."""
        self._since = time.monotonic()
        incumbent = self._rooms.history.at(self._rooms.ledger.main())
        seconds = self._rooms.measurement.seconds
        self._observer(Started(self._limits.trials, self._limits.hours, self._jobs, incumbent, seconds))
        self._tell_words()
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="slot") as pool:
            workers = [pool.submit(self._work, slot) for slot in range(self._jobs)]
            self._wait(workers)
            failure = next((error for worker in workers if worker.done() and (error := worker.exception())), None)
            if failure is not None:
                # The error is the caller's to tell; the other slots give up.
                self._stopping = "ended by an error"
                self._hurry.set()
                self._cancel.set()
            elif not self._interrupted:
                auditing = pool.submit(self._auditing.audit, self._rooms.history.at(self._rooms.ledger.main()), 0)
                self._wait([auditing])
                auditing.result()
        # The trials have ended: what is still being thought of is for nobody.
        self._cancel.set()
        self._proposals.end()
        accepted = tuple(r for r in self._closed if r.accepted)
        seconds = time.monotonic() - self._since
        ended = Ended(self._stopping, len(self._closed), accepted, seconds, self._interrupted)
        self._observer(ended)
        if failure is not None:
            raise failure
        return ended

    def preview(self, count: int) -> list[Proposal]:
        """The proposals that would come next, on the present `main`; nothing is run."""
        return self._proposals.preview(count)

    def step(self, slot: int = 0, proposal: Proposal | None = None) -> Record:
        """One trial, from its proposal (the proposer's, or the given one) to its record in git."""
        record = None
        while record is None:
            work = self._agenda.open(proposal) if proposal else self._agenda.next()
            self._tell_words()
            if proposal is None and self._goes_on():
                self._proposals.prepare()
            record = self._try(work, slot)
        return record

    def measure_main(self, slot: int = 0) -> None:
        """Measures the tip of `main` where nobody has: at the start, and after a person's own commit."""
        with self._baseline:
            work = self._agenda.baseline()
            if work is not None:
                self._try(work, slot)
                self._auditing.audit(self._rooms.history.baseline, slot)

    def stop(self, reason: str, now: bool = False) -> None:
        """Ends the loop after the current trials; with `now` they are given up and run again next time."""
        with self._turn:
            if not self._stopping:
                self._stopping = reason
                self._observer(Stopping(reason))
        if now:
            self._cancel.set()

    def _wait(self, workers: list[Future[None]]) -> None:
        """Until all slots are done or one has failed. Ctrl-C: stop after the current trials; again: now."""
        asked = 0
        while True:
            try:
                # Within the try: the second one may come while the first one is still being obeyed.
                if asked:
                    self._interrupted = True
                    self._hurry.set()
                    self.stop("stopped by the person", now=asked > 1)
                wait(workers, return_when=FIRST_EXCEPTION)
                return
            except KeyboardInterrupt:
                asked += 1

    def _work(self, slot: int) -> None:
        try:
            self.measure_main(slot)
            while not self._must_stop():
                self.step(slot)
                self.measure_main(slot)
                self._certify(slot)
        except (Interrupted, NothingToPropose) as word:
            self.stop(str(word))

    def _must_stop(self) -> bool:
        """Whether a limit is reached; where not, one more trial counts as begun."""
        with self._turn:
            limits, history = self._limits, self._rooms.history
            incumbent = history.at(self._rooms.ledger.main())
            target, value = self._rooms.config.metric.target, incumbent and history.value(incumbent)
            hours = (time.monotonic() - self._since) / 3600
            tried = [record for record in reversed(self._closed) if not record.trial.is_null]
            fruitless = next((i for i, record in enumerate(tried) if record.accepted), len(tried))
            if target is not None and isinstance(value, float) and not history.better(target, value):
                self.stop(f"the target is reached: {history.metric.name} {value:.6g}")
            elif limits.trials is not None and self._begun >= limits.trials:
                self.stop("the limit of trials is reached")
            elif limits.hours is not None and hours >= limits.hours:
                self.stop(f"{limits.hours:g} hours are over")
            elif limits.patience is not None and fruitless >= limits.patience:
                self.stop(f"patience: {fruitless} trials in a row without an improvement")
            self._begun += not self._stopping
            return bool(self._stopping)

    def _tell_words(self) -> None:
        for word in self._rooms.words():
            self._observer(Notice(word))

    def _goes_on(self) -> bool:
        """Whether there will be another trial, as far as is known while this one begins."""
        with self._turn:
            trials = self._limits.trials
            return not self._stopping and (trials is None or self._begun + self._proposals.ahead < trials)

    def _try(self, work: Work, slot: int) -> Record | None:
        """Runs a trial to its record; None if it died in its first step and was taken back."""
        self._observer(Opened(work.trial, slot))
        judgement = self._judging.judge(work, slot)
        died = death(work.trial, work.runs)
        with self._turn:
            self._deaths = self._deaths + 1 if died else 0
        if died and self._deaths <= MAX_DEATHS_IN_A_ROW:
            self._take_back(work, died)
            self._suspect_environment(None, slot)
            if self._stopping:
                raise Interrupted(self._stopping)
            return None
        record = self._close(work, judgement, slot)
        self._suspect_environment(record, slot)
        return record

    def _take_back(self, work: Work, reason: str) -> None:
        """Gives the number of a trial that died in its first step back; the change is not made again on this base."""
        trial = work.trial
        with self._turn:
            self._rooms.ledger.discard(trial)
            self._proposals.died(trial, reason)
        self._observer(Notice(f"{trial.title} ({trial.operator}) dies in its first step, so it is no trial: {reason}"))

    def _close(self, work: Work, judgement: Judgement, slot: int) -> Record:
        trial, rooms, log = work.trial, self._rooms, "\n".join(work.logs)
        if trial.is_baseline and judgement.verdict is not Verdict.ACCEPTED:
            with self._turn:
                rooms.ledger.discard(trial)
            raise BaselineError(f"the unchanged code does not train: {judgement.reason}", log)
        record = Record(
            trial=trial,
            verdict=judgement.verdict,
            reason=judgement.reason,
            metrics=judgement.metrics,
            runs=tuple(work.runs),
            environment={**rooms.measurement.environment, "config": rooms.config_hash},
            reproduce=work.reproduce,
            closed=datetime.now(UTC).isoformat(timespec="seconds"),
            statistics=judgement.statistics,
        )
        with self._turn:
            try:
                words = rooms.ledger.close(record, log, work.curves)
            except MainMovedError:
                reason = f"beat an older main ({judgement.reason}); tried again on the new one"
                record = replace(record, verdict=Verdict.SUPERSEDED, reason=reason)
                words = rooms.ledger.close(record, log, work.curves)
            self._agenda.closed(trial)
            rooms.history.add(record)
            if not trial.is_baseline:
                self._closed.append(record)
            self._observer(Closed(record, slot, rooms.history.improvement(record)))
        for word in words:
            self._observer(Notice(word))
        return record

    def _certify(self, slot: int) -> None:
        """Where keeps are provisional, the tip of `main` proves itself now and then, or goes back to what did."""
        with self._baseline:
            found = self._judging.certify(slot)
            if found is None:
                return
            tip, anchor, judgement = found
            ledger = self._rooms.ledger
            if judgement.verdict is not Verdict.ACCEPTED:
                self._observer(Notice(f"{tip.trial.ref} does not hold up: {judgement.reason}"))
                diff = ledger.difference(tip.trial.commit, anchor.trial.commit)
                title = f"Roll back to {anchor.trial.ref}"
                tip = self.step(slot, Proposal(tip.trial.commit, diff, title, "certify", "roll-back", judgement.reason))
            with self._turn:
                self._rooms.history.add(ledger.note_check(tip.id, {"certified": True, "reason": judgement.reason}))

    def _suspect_environment(self, record: Record | None, slot: int) -> None:
        """After crashes in a row: is it the proposals, or is it the machine? No record: it died in its first step."""
        with self._turn:
            crashed = record is None or record.verdict is Verdict.CRASHED
            self._crashed = [*self._crashed, record.id if record else ""] if crashed else []
            incumbent = self._rooms.history.at(self._rooms.ledger.main())
            if len(self._crashed) < CRASHES_IN_A_ROW or incumbent is None:
                return
            suspects, self._crashed = self._crashed, []
        ref = incumbent.trial.ref
        self._observer(Notice(f"{len(suspects)} crashes in a row: does {ref}, the incumbent, still run?"))
        measured = self._judging.run(incumbent.trial, incumbent.runs[0].seed, slot)
        if measured.run.status.counts:
            return
        suspects = [trial for trial in suspects if trial]
        with self._turn:
            self._rooms.ledger.reopen(suspects)
        names = ", ".join(f"exp/{trial}" for trial in suspects)
        again = f"{names} are open again and run when the next loop starts. " if suspects else ""
        raise BrokenEnvironmentError(
            f"the environment is broken: {ref}, the incumbent, fails too now ({measured.run.reason}). "
            f"{again}Look with: autogit doctor",
            measured.log,
        )
