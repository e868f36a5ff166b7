"""The processes of this machine, and which of them descend from one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One process as the kernel sees it."""

    pid: int
    parent: int
    group: int
    name: str
    """Of its program, cut to 15 characters by the kernel."""
    alive: bool
    """False for a zombie: dead, but not yet asked for by its parent."""
    resident: int
    """Bytes in memory; what several processes share is counted for each."""
    cpu: float | None = None
    """Seconds of processor time that it and the children that it has waited for have used; None if not told."""


def descendants(root: int) -> list[Process]:
    """Every process below `root`, parents before children.

    A descendant whose parent died is found only if `root` is a child subreaper (or it lives in a PID namespace below).
    """
    children: dict[int, list[Process]] = {}
    for process in _everything():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    ahead = list(children.get(root, ()))
    while ahead:
        process = ahead.pop(0)
        found.append(process)
        ahead += children.pop(process.pid, ())
    return found


def memory_of(processes: Iterable[Process]) -> tuple[int, int]:
    """Returns (private bytes, shared-memory bytes) in memory, each shared page counted once (proportional set size).

    Resident bytes, all of them private, if the kernel does not tell.
    """
    private = shared = 0
    for process in processes:
        total, memory_files = _proportional(process)
        private += total - memory_files
        shared += memory_files
    return private, shared


@dataclass(frozen=True, slots=True)
class Unlinked:
    """What processes hold in files that have no name: bytes that no walk over folders finds."""

    disk: int = 0
    memory: int = 0
    """In memfds and in deleted files of /dev/shm."""


def unlinked(processes: Iterable[Process]) -> Unlinked:
    """Returns what `processes` hold open or mapped in deleted files and memfds, each file counted once."""
    found: dict[tuple[int, int], tuple[int, bool]] = {}
    for process in processes:
        for place in (*_descriptors(process.pid), *_mappings(process.pid)):
            with suppress(OSError):
                target = os.readlink(place)  # noqa: PTH115
                if not target.endswith(" (deleted)"):
                    continue
                facts = os.stat(place)  # noqa: PTH116
                if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                    in_memory = target.startswith(("/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"))
                    found[facts.st_dev, facts.st_ino] = facts.st_blocks * 512, in_memory
    return Unlinked(
        disk=sum(size for size, in_memory in found.values() if not in_memory),
        memory=sum(size for size, in_memory in found.values() if in_memory),
    )


def _descriptors(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]  # noqa: PTH208
    except OSError:
        return []


def _mappings(pid: int) -> list[str]:
    """Deleted files that are mapped, perhaps without a descriptor. Only root may look at them."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
            lines = [line.split(None, 1)[0].decode() for line in file if line.endswith(b" (deleted)\n")]
    except OSError:
        return []
    return [f"/proc/{pid}/map_files/{'-'.join(f'{int(part, 16):x}' for part in span.split('-'))}" for span in lines]


def tasks_of(user: int) -> int:
    """How many processes and threads `user` has: what RLIMIT_NPROC counts."""
    count = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if place.stat().st_uid == user:
                count += len(list((place / "task").iterdir()))
    return count


def command_line(pid: int) -> bytes:
    """The arguments, each ended by a zero byte; empty for a process that has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def marked(mark: bytes) -> list[int]:
    """Processes that were started with `mark` ("NAME=value") in their environment, where that can be seen."""
    found = []
    for process in _everything():
        with suppress(OSError):
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process.pid)
    return found


def _proportional(process: Process) -> tuple[int, int]:
    """(all bytes, those of them in shared memory)."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_bytes()
    except OSError:
        return process.resident, 0
    told = (line.partition(b":") for line in text.splitlines())
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in told if name in (b"Pss", b"Pss_Shmem")}
    return sizes.get(b"Pss", process.resident), sizes.get(b"Pss_Shmem", 0)


def _everything() -> Iterable[Process]:
    if sys.platform != "linux":
        yield from _from_ps()
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 (several times as fast as Path.iterdir, and asked ten times a second)
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:  # noqa: PTH123
                stat = file.read()
        except OSError:
            continue
        # The program's name stands in parentheses and may itself hold blanks and parentheses.
        head, _, tail = stat.rpartition(b")")
        fields = tail.split()
        yield Process(
            pid=int(name),
            parent=int(fields[1]),
            group=int(fields[2]),
            name=head.partition(b"(")[2].decode(errors="replace"),
            alive=fields[0] not in (b"Z", b"X"),
            resident=int(fields[21]) * _PAGE,
            cpu=sum(map(int, fields[11:15])) / _TICKS,
        )


def _from_ps() -> Iterable[Process]:
    """Where there is no /proc (macOS)."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,pgid=,rss=,stat=,comm="], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    for line in listed.stdout.decode(errors="replace").splitlines():
        pid, parent, group, resident, state, name = line.split(None, 5)
        yield Process(int(pid), int(parent), int(group), Path(name).name, "Z" not in state, int(resident) * 1024)
