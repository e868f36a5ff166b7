"""The reaper of one run: a small process between autogit and the job, so that nothing the job starts is ever lost.

It is the child subreaper of everything below it: whoever double-forks, changes session or loses its parent becomes its
child, so "no children left" means that nothing is left. When autogit itself is killed, the end of its orders says so.

Orders come on standard input: the plan as one line, then single letters, `t` for "finish in good order", `k` for "end
now"; the end of the input means `k`. Reports go to standard output, a line each: `started`, `failed WHY`,
`exited STATUS`, `done BYTES LEFT` (the largest resident memory of one process; how many processes could not be ended).
Standard error is the job's output.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress

from autogit.execute.reaper import cgroup, seccomp
from autogit.execute.reaper.confine import confine
from autogit.execute.reaper.plan import SECCOMP_PLACE, Plan
from autogit.execute.reaper.processes import Process, command_line, descendants

_PR_SET_CHILD_SUBREAPER = 36
_SHELLS = {"sh", "dash", "bash", "ash", "ksh", "zsh", "busybox"}
_PATIENCE = 20.0
"""Seconds after which a process that the kernel cannot end (a hung driver) is left, and reported."""


def asked(tree: list[Process], lines: dict[int, bytes]) -> list[int]:
    """Whom to ask to finish, of `tree` with its command lines: those who can write a summary and a checkpoint.

    Not a shell that only waits for its command, not the sandbox around it, and no forked worker: a data loader that
    loses its workers fails where it would have finished.
    """
    parents = {process.parent for process in tree}
    pids = []
    for process in tree:
        waits = process.name == "bwrap" or (process.name in _SHELLS and process.pid in parents)
        copy = lines[process.pid] == lines.get(process.parent) or b"multiprocessing" in lines[process.pid]
        if process.alive and not waits and not copy:
            pids.append(process.pid)
    return pids


class Reaper:
    """Starts the job, reports its end, and ends the rest."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._main = 0
        self._status: int | None = None
        self._asked: set[int] = set()
        self._ending = False
        self._group = cgroup.make(plan.max_group_tasks) if plan.max_group_tasks is not None else None
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

    def run(self, orders: bytes) -> None:
        """From the start of the job until nothing of it is left; `orders` came right behind the plan."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        why = self._start()
        if why:
            self._leave_group()
            _report(f"failed {why}")
            return
        _report("started")
        if orders:
            self._obey(orders)
        while not self._over():
            ready, _, _ = select.select([0, self._woken], [], [], 0.2 if self._asked else None)
            if self._woken in ready:
                os.read(self._woken, 4096)
            if 0 in ready:
                self._obey(os.read(0, 4096))
            self._reap()
        left = self._end()
        self._leave_group()
        unit = 1 if sys.platform == "darwin" else 1024
        _report(f"done {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit} {left}")

    def _start(self) -> str:
        """Why it could not be started; empty where it runs."""
        told, tell = os.pipe()
        self._main = os.fork()
        if self._main == 0:
            self._become(tell)
        os.close(tell)
        with os.fdopen(told, "rb") as pipe:  # It is closed by a successful exec.
            return pipe.read().decode(errors="replace").replace("\n", " ")

    def _become(self, tell: int) -> None:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            os.chdir(self._plan.folder)
            if self._group is not None:
                cgroup.enter(self._group)
            confine(self._plan)
            argv = _with_filter(list(self._plan.argv))
            os.execvpe(argv[0], argv, dict(self._plan.variables))
        except OSError as error:
            os.write(tell, f"{os.fsdecode(error.filename or self._plan.argv[0])}: {error.strerror or error}".encode())
        finally:
            os._exit(127)

    def _leave_group(self) -> None:
        if self._group is not None:
            cgroup.remove(self._group)

    def _stop(self, *_: object) -> None:
        self._ending = True

    def _obey(self, orders: bytes) -> None:
        if not orders or b"k" in orders:
            self._ending = True
        elif b"t" in orders:
            tree = descendants(os.getpid())
            lines = {process.pid: command_line(process.pid) for process in tree}
            self._asked = set(asked(tree, lines))
            for pid in self._asked:
                _signal(pid, signal.SIGTERM)
            for process in tree:
                _signal(process.pid, signal.SIGCONT)

    def _over(self) -> bool:
        if self._ending or (self._status is not None and not self._asked):
            return True
        if not self._asked:
            return False
        self._asked &= {process.pid for process in descendants(os.getpid()) if process.alive}
        return self._status is not None and not self._asked

    def _reap(self) -> bool:
        """Buries the dead; whether any child is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._main:
                    self._status = os.waitstatus_to_exitcode(status)
                    _report(f"exited {self._status}")
        except ChildProcessError:
            return False

    def _end(self) -> int:
        """Kills until there is no one left; by group too, which a process that forks and forks cannot outrun."""
        deadline = time.monotonic() + _PATIENCE
        while self._reap():
            tree = descendants(os.getpid())
            if time.monotonic() > deadline:
                return len(tree)
            # Minus one would be everybody.
            for group in {process.group for process in tree} - {os.getpgrp(), 0, 1}:
                _signal(-group, signal.SIGKILL)
            for process in tree:
                _signal(process.pid, signal.SIGKILL)
            select.select([self._woken], [], [], 0.005)
        return 0


def _with_filter(argv: list[str]) -> list[str]:
    """Gives the command its seccomp filter through a pipe that it inherits, if it asks for one."""
    if SECCOMP_PLACE not in argv:
        return argv
    place = argv.index(SECCOMP_PLACE)
    program = seccomp.program()
    if not program:
        return argv[: place - 1] + argv[place + 1 :]
    reading, writing = os.pipe()
    os.write(writing, program)
    os.close(writing)
    os.set_inheritable(reading, True)
    argv[place] = str(reading)
    return argv


def _signal(pid: int, number: signal.Signals) -> None:
    # Gone in between, or not ours to end: that one is counted as left.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _report(line: str) -> None:
    # Where autogit is gone, what it left is ended all the same.
    with suppress(BrokenPipeError):
        os.write(1, line.encode() + b"\n")


def main() -> None:
    """Takes the plan from standard input and keeps its run."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    told = b""
    while b"\n" not in told:
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        told += piece
    line, _, orders = told.partition(b"\n")
    Reaper(Plan.load(line)).run(orders)
    # It is waited for, and an interpreter takes longer to clear up than there is anything to clear up here.
    os._exit(0)


if __name__ == "__main__":
    main()
