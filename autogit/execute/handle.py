"""A reaper seen from autogit: its process, the orders that it gets and the reports that it gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from autogit.execute.reaper.plan import Plan
from autogit.execute.reaper.processes import marked

REPLY_TIMEOUT_SECONDS = 30.0
"""Seconds after an order to end within which a reaper answers, even when a driver hangs."""
_MARK = "AUTOGIT_RUN"


class ReaperPool:
    """ReaperPool that wait, so that a run need not: an interpreter takes longer to start than a verdict to reach."""

    def __init__(self) -> None:
        self._waiting: list[ReaperHandle] = []
        weakref.finalize(self, _dismiss, self._waiting)

    def take(self) -> ReaperHandle:
        """One that waits for its plan. It belongs to the caller now."""
        while self._waiting:
            handle = self._waiting.pop()
            if handle.alive:
                return handle
            handle.close()
        return ReaperHandle()

    def prepare(self) -> None:
        """Has one more ready for the next run."""
        self._waiting.append(ReaperHandle())


def _dismiss(waiting: list[ReaperHandle]) -> None:
    for handle in waiting:
        handle.close()


class ReaperHandle:
    """A reaper's process, its orders and its reports."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        root = str(Path(__file__).resolve().parents[2])
        needed = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self.output: int | None = reading
        # In a session of its own, so that the terminal's Ctrl-C reaches autogit alone; with an environment of its own,
        # and without `site`, which would load whatever the environment's packages hook in there.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-P", "-m", "autogit.execute.reaper"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writing,
            env={**needed, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip
        os.close(writing)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self.reports = self._process.stdin, self._process.stdout
        self._heard = b""
        self._mark = uuid4().hex

    def start(self, plan: Plan) -> None:
        """Has it start the job."""
        self.order(replace(plan, variables={**plan.variables, _MARK: self._mark}).dump())

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, what: bytes) -> None:
        """Tells the reaper; in vain where it has gone."""
        with suppress(BrokenPipeError):
            while what:
                what = what[self._orders.write(what) or 0 :]

    def heard(self) -> Iterable[str] | None:
        """The reports that have come; None at their end."""
        data = os.read(self.reports.fileno(), 4096)
        *lines, self._heard = (self._heard + data).split(b"\n")
        return [line.decode() for line in lines] if data else None

    def close(self) -> None:
        """Ends the reaper, which ends what is left."""
        self._orders.close()
        try:
            self._process.wait(REPLY_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode != 0:
            self._sweep()
        self.reports.close()
        if self.output is not None:
            os.close(self.output)

    def _sweep(self) -> None:
        """Where a job has killed its reaper, which only the weakest tier lets it: its processes by their mark."""
        deadline = time.monotonic() + REPLY_TIMEOUT_SECONDS
        while (pids := marked(f"{_MARK}={self._mark}".encode())) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
