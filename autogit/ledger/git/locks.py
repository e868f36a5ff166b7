"""Locks that the kernel gives back when their owner dies."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from autogit.errors import LabBusyError


class WriteLock:
    """Held for the milliseconds in which refs are changed, by one thread of one process. Can be entered again.

    The git that moves the refs inherits it: as long as anybody who writes is alive, nobody else is let in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.RLock()
        self._depth = 0
        self._file = -1

    @property
    def descriptor(self) -> int:
        """To be passed on to a child that writes."""
        return self._file

    def __enter__(self) -> WriteLock:
        self._turn.acquire()
        if self._depth == 0:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            os.close(self._file)
            self._file = -1
        self._turn.release()


@contextmanager
def lab_lock(path: Path) -> Iterator[None]:
    """Held by the one loop that may run on a lab. Raises LabBusyError, which says who holds it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 4096, 0).decode("utf-8", "replace").strip() or "of unknown name"
            raise LabBusyError(
                f"another loop runs on this lab: process {owner}; wait for it or stop it (Ctrl-C there)"
            ) from None
        os.ftruncate(file, 0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        os.pwrite(file, f"{os.getpid()} ({Path(sys.argv[0]).name}), since {started}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def lock_owner(path: Path) -> int | None:
    """The process that holds a lab's lock; None where nobody does."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(file, 4096, 0).decode("utf-8", "replace").partition(" ")[0]
        return int(pid) if pid.isdecimal() else None
    finally:
        os.close(file)
    return None
