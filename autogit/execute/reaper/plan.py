"""What a reaper is told to do, as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

SECCOMP_PLACE = "{seccomp}"
"""In `argv`, where the descriptor of the seccomp filter goes; with the option before it, it is left out if none is."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What Landlock and seccomp leave open: an allow-list of paths, and the network or not."""

    read: tuple[str, ...]
    """Readable and executable, with everything beneath."""
    write: tuple[str, ...]
    """Writable too."""
    list_only: tuple[str, ...] = ()
    """Folders whose names can be listed, not more: parts of them are masked."""
    network: bool = False
    shared: str = "/dev/shm"
    """The folder that the job finds as /dev/shm, if it can be given a namespace of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One command, where and with what it starts, and what it is held to."""

    argv: tuple[str, ...]
    folder: str
    variables: Mapping[str, str]
    file_size: int
    """Bytes that a single file may grow to."""
    tasks: int | None = None
    """Threads and processes of this user at any time; None: not limited by the kernel."""
    max_group_tasks: int | None = None
    """The same of the job alone, held to by a cgroup if there is one to be had (root)."""
    fence: Fence | None = None
    confined: bool = True
    """Whether capabilities are dropped and no_new_privs is set here, and not by the command (bubblewrap) itself."""

    def dump(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def load(cls, line: bytes) -> Plan:
        table = json.loads(line)
        if table["fence"] is not None:
            table["fence"] = Fence(**table["fence"])
        return cls(**table)
