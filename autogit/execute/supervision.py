"""One run, watched from its start until nothing of it is left: time, output, limits, and the person's word."""

from __future__ import annotations

import math
import os
import selectors
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from threading import Event

from autogit.errors import WorkspaceError
from autogit.execute.handle import REPLY_TIMEOUT_SECONDS, ReaperHandle, ReaperPool
from autogit.execute.limits import Gauge, Limits, shortage
from autogit.execute.output import Drain, Line, Lines, Log
from autogit.execute.reason import why
from autogit.execute.sandbox import Tier
from autogit.execute.scratch import scratch
from autogit.execute.seal import Seal
from autogit.files import strip_set_id
from autogit.protocols import Ending, Execution, Halt, Job, Monitor
from autogit.records import RunStatus
from autogit.wording import left_out

_TICK = 0.05
"""Seconds after which a cancelled run is noticed, at the latest."""
_TELL = 1.0
"""Seconds between two times that the monitor is told that a run goes on."""
_CHUNK = 1 << 16
_LEAST = 64
"""Bytes that a line counts for, at least, of the output that is read."""


def supervise(
    job: Job, tier: Tier, reapers: ReaperPool, limits: Limits, most: int, monitor: Monitor, cancel: Event
) -> Execution:
    """Runs `job` under `tier` until it ends, breaks one of `limits`, is halted by `monitor` or `cancel` is set.

    `most` bytes of its output are read. Nothing that the job started is left afterwards.
    """
    if short := shortage(job.out, limits.reserve):
        raise WorkspaceError(short)
    with closing(reapers.take()) as handle, scratch() as own:
        seal = Seal(job.checkout, job.protected)
        folders, memory = [job.checkout, own.tmp], [own.shared]
        gauge = Gauge(handle.pid, limits, job.out, *((folders, memory) if own.in_memory else (folders + memory, ())))
        handle.start(replace(tier.plan(job, own), tasks=limits.tasks, max_group_tasks=limits.group_tasks))
        execution = Supervision(job, gauge, handle, monitor, cancel, reapers.prepare).watch(most)
    for folder in (job.out, job.checkout):
        strip_set_id(folder)
    broken = seal.broken()
    failed = execution.ending is not Ending.CANCELLED and not execution.succeeded and not broken
    if failed and (short := gauge.shortage or shortage(job.out, limits.reserve)):
        # The run took no more than it may, but the machine has no room for that: this is no verdict on its code.
        raise WorkspaceError(short)
    if not broken or execution.ending is Ending.CANCELLED:
        return execution
    return replace(execution, ending=Ending.LIMIT, reason=f"changed the protected file {broken}", halt=None)


class Supervision:
    """Watches one job."""

    def __init__(
        self,
        job: Job,
        gauge: Gauge,
        handle: ReaperHandle,
        monitor: Monitor,
        cancel: Event,
        up: Callable[[], None] = lambda: None,
    ) -> None:
        """`up` is called once, when the job has begun to work (its first output) or has ended."""
        self._job = job
        self._gauge = gauge
        self._handle = handle
        self._monitor = monitor
        self._cancel = cancel
        self._up: Callable[[], None] | None = up
        self._log = Log()
        self._lines = Lines()
        self._read = 0
        self._drain = Drain()
        self._started = time.monotonic()
        self._exited: float | None = None
        self._status: int | None = None
        self._failed = ""
        self._ending: Ending | None = None
        self._reason = ""
        self._halt: Halt | None = None
        self._enough = False
        self._asked: float | None = None
        self._killed = False
        self._patience = math.inf
        self._kept = False
        self._largest = 0
        self._next_tick = 0.0

    def watch(self, most: int) -> Execution:
        """Until nothing of the job is left; `most` bytes of its output are read. Gives how it ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._handle.reports, selectors.EVENT_READ)
            assert self._handle.output is not None
            selector.register(self._handle.output, selectors.EVENT_READ)
            kept = True
            while kept and time.monotonic() < self._patience:
                for key, _ in selector.select(_TICK):
                    if key.fileobj is self._handle.reports:
                        kept = self._listen()
                    else:
                        self._take(most)
                self._decide(time.monotonic())
        while self._take(most):
            pass
        self._is_up()
        self._last_words()
        return self._execution()

    # ---- what comes in

    def _listen(self) -> bool:
        """Takes the reaper's reports; False after the last one."""
        reports = self._handle.heard()
        for report in reports or ():
            word, _, rest = report.partition(" ")
            if word == "started":
                self._started = time.monotonic()
            elif word == "failed":
                self._failed, self._kept = rest, True
            elif word == "exited":
                self._status, self._exited = _status(int(rest)), time.monotonic()
            elif word == "done":
                self._largest, left = map(int, rest.split())
                self._kept = True
                if left:
                    self._end(Ending.LIMIT, f"{left} processes could not be ended: the kernel does not let go of them")
        # With its last word nothing of the job is left, and the reaper itself need not be waited for here.
        return reports is not None and not self._kept

    def _take(self, most: int) -> bool:
        """Takes a piece of output, if there is one now; False where there is none or no more to come."""
        assert self._handle.output is not None
        try:
            data = os.read(self._handle.output, _CHUNK)
        except BlockingIOError:
            return False
        self._is_up()
        if self._read < most:
            lines = list(self._lines.feed(data))
            # However short a line is, reading it takes time.
            self._read += max(len(data), _LEAST * len(lines))
            self._hear(lines)
        elif data:
            self._drain.feed(data)
        return bool(data)

    def _is_up(self) -> None:
        up, self._up = self._up, None
        if up is not None:
            up()

    def _last_words(self) -> None:
        unread = self._drain.size
        if unread:
            tail = self._drain.end()
            self._hear(self._lines.end())
            self._log.leave_out(unread - len(tail))
            # What was said before a gap may have been said again in it.
            self._tell(left_out(unread - len(tail)))
            self._hear(self._lines.feed(tail))
        self._hear(self._lines.end())

    def _hear(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._log.add(line)
            self._tell(line.text)

    def _tell(self, text: str) -> None:
        """Tells the monitor of a line, and obeys it."""
        if self._halt is None:
            self._obey(self._monitor.line(text, time.monotonic() - self._started))

    def _obey(self, halt: Halt | None) -> None:
        if halt is not None and halt.status is RunStatus.TRUNCATED:
            # Asked to finish, it goes on talking.
            self._enough = True
        else:
            self._halt = halt

    # ---- what is done about it

    def _decide(self, now: float) -> None:
        if now >= self._next_tick and self._halt is None and self._exited is None:
            self._obey(self._monitor.tick(now - self._started, self._gauge.cpu))
            self._next_tick = now + _TELL
        if self._halt is not None:
            self._end(Ending.HALTED, self._halt.reason)
        if self._cancel.is_set():
            self._end(Ending.CANCELLED, "cancelled")
        if self._killed or self._exited is not None:
            return
        ran = now - self._started
        timeout, budget = self._job.timeout, self._job.seconds
        if broken := self._gauge.look(now):
            self._end(Ending.LIMIT, broken)
        elif timeout is not None and ran >= timeout:
            self._end(Ending.TIMEOUT, f"timeout: still running after {timeout:g} s")
        elif self._asked is None and (self._enough or (budget is not None and ran >= budget)):
            self._ending, self._asked = Ending.BUDGET, ran
            self._handle.order(b"t")
        elif self._asked is not None and ran >= self._asked + self._job.grace:
            what = "its last step" if self._enough else f"its budget of {budget:g} s"
            self._reason = f"killed: had not finished {self._job.grace:g} s after {what}"
            self._kill()

    def _end(self, ending: Ending, reason: str) -> None:
        """Ends the run now; the first reason stays, but for the budget's, which is none."""
        if self._ending in (None, Ending.BUDGET):
            self._ending, self._reason = ending, reason
        self._kill()

    def _kill(self) -> None:
        if not self._killed:
            self._killed = True
            self._patience = time.monotonic() + REPLY_TIMEOUT_SECONDS
            self._handle.order(b"k")

    def _execution(self) -> Execution:
        log = self._log.text()
        ending = self._ending or Ending.EXITED
        if not self._kept:
            ending, self._reason = Ending.LIMIT, "its reaper was killed or did not answer"
        if self._halt is not None and ending in (Ending.EXITED, Ending.BUDGET):
            ending, self._reason = Ending.HALTED, self._halt.reason
        if self._failed:
            self._reason = f"could not be started: {self._failed}"
        elif ending is Ending.EXITED and self._status != 0:
            self._reason = why(log, self._status, self._job.checkout)
        return Execution(
            ending=ending,
            status=self._status,
            seconds=(self._exited or time.monotonic()) - self._started,
            peak_memory=max(self._gauge.peak, self._largest) or None,
            log=log,
            reason=self._reason,
            halt=self._halt if ending is Ending.HALTED else None,
        )


def _status(code: int) -> int:
    """A shell and bubblewrap report a signal's death as 128 + its number: one form for all, minus the number."""
    return 128 - code if 128 < code <= 128 + 64 else code
