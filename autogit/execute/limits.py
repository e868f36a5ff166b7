"""What a run may take of the machine, and a gauge that looks how much it has."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

from autogit.execute.reaper.processes import Process, Unlinked, descendants, memory_of, tasks_of, unlinked
from autogit.execute.scratch import written

GB = 10**9
_LOOK = 0.1
"""Seconds between two looks at the processes,"""
_LOOK_AT_DISK = 0.5
"""and at the disk; longer where a look is slow, so that looking takes at most 2% of one core."""
_SHARE = 50
_THREADS_PER_PROCESS = 8
"""Threads that are allowed for each process that is."""
_MIN_THREADS_PER_CORE = 8
"""Threads that are allowed for each core of the machine, however few processes are: libraries start some for each."""
RESERVE_BYTES = 256 * 1024 * 1024
"""Bytes that are left free on the disk: git has to write the verdict, even on a run that filled it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run's whole process tree."""

    memory: int
    """Bytes, shared pages counted once."""
    processes: int
    disk: int
    """Bytes that it may add to its folders."""
    reserve: int = RESERVE_BYTES
    """Bytes that have to be free on the disk of its output, before it and while it runs."""

    @property
    def tasks(self) -> int | None:
        """What RLIMIT_NPROC is set to: a wall behind `processes`, for what grows faster than it can be looked at.

        It counts all that the user runs, and threads too; the kernel does not hold root to it.
        """
        user = os.getuid()
        return tasks_of(user) + self._own_tasks if user and sys.platform == "linux" else None

    @property
    def group_tasks(self) -> int | None:
        """The same for root, by a cgroup that holds this run alone."""
        return self._own_tasks if not os.getuid() and sys.platform == "linux" else None

    @property
    def _own_tasks(self) -> int:
        return max(
            _THREADS_PER_PROCESS * self.processes, self.processes + _MIN_THREADS_PER_CORE * (os.cpu_count() or 1)
        )


class Gauge:
    """Measures a process tree from time to time."""

    def __init__(
        self, reaper: int, limits: Limits, out: Path, others: Sequence[Path] = (), memory: Sequence[Path] = ()
    ) -> None:
        """`reaper`: the process above the tree. `out`: a folder on the lab's own disk; `others`: what else it fills.

        `memory`: folders whose files lie in memory.
        """
        self._reaper = reaper
        self._limits = limits
        self._out = out
        self._folders = (out, *others)
        self._memory = memory
        self._before = written(self._folders)
        self._tree: Sequence[Process] = ()
        self._unlinked = Unlinked()
        self._in_shared = 0
        self._next = self._next_disk = 0.0
        self.peak = 0
        """Bytes: the most memory that was seen."""
        self.shortage = ""
        """Why it is the machine that has no disk left, and not the run that took more than it may; "" if it has."""
        self.cpu: float | None = None
        """Seconds of processor time that the tree has used, as far as was seen; None if that is not told."""

    def look(self, now: float) -> str:
        """Returns which limit is broken, in one line; "" if none is or it is not yet time to look. `now`: monotonic."""
        broken = ""
        if now >= self._next:
            broken = self._processes()
            self._next = _after(now, _LOOK)
        if not broken and now >= self._next_disk:
            begin = time.monotonic()
            broken = self._disk()
            self._next_disk = _after(begin, _LOOK_AT_DISK)
        return broken

    def _processes(self) -> str:
        tree = self._tree = descendants(self._reaper)
        # First, and at once: a fork bomb grows faster than its memory can be added up.
        if len(tree) > self._limits.processes:
            return f"too many processes: {len(tree)}, sandbox.processes allows {self._limits.processes}"
        hidden = self._unlinked.memory + self._in_shared
        told = [process.cpu for process in tree if process.cpu is not None]
        if told:
            self.cpu = max(self.cpu or 0.0, sum(told))
        used = sum(process.resident for process in tree)
        # Resident sizes count shared pages again and again: a closer, slower look only if that could matter.
        if hidden or (used > self.peak and len(tree) > 1):
            private, shared = memory_of(tree)
            # What is mapped of the files in memory is in `shared`, too.
            used = private + max(shared, hidden)
        self.peak = max(self.peak, used)
        if used > self._limits.memory:
            return (
                f"out of host memory: {used / GB:.2f} GB in use, "
                f"sandbox.memory_gb allows {self._limits.memory / GB:.2f}"
            )
        return ""

    def _disk(self) -> str:
        self._unlinked = unlinked(self._tree)
        try:
            self._in_shared = written(self._memory)
            added = written(self._folders) - self._before + self._unlinked.disk
        except OSError as error:
            return f"out of disk: what it wrote cannot be counted: {error.strerror}"
        if added > self._limits.disk:
            return f"out of disk: {added / GB:.2f} GB written, sandbox.disk_gb allows {self._limits.disk / GB:.2f}"
        self.shortage = shortage(self._out, self._limits.reserve)
        return self.shortage


def shortage(folder: Path, needed: int = RESERVE_BYTES) -> str:
    """Returns one sentence if less than `needed` bytes of the disk of `folder` are free; "" if there is enough."""
    try:
        free = disk_usage(folder).free
    except OSError:
        return ""  # The folder has gone: the run did that, and its exit will tell.
    if free >= needed:
        return ""
    return (
        f"only {free / 1e6:.0f} MB are free on the disk of {folder}: at least {needed / 1e6:.0f} MB are needed; "
        "free some and start again, the open trial goes on then"
    )


def _after(begin: float, least: float) -> float:
    now = time.monotonic()
    return now + max(least, _SHARE * (now - begin))
