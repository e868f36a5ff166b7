"""A control group that bounds how many tasks a run has, if root finds one to make: the kernel's own wall for root.

Source: the kernel's admin-guide/cgroup-v1/pids and admin-guide/cgroup-v2 documentation.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
PREFIX = "autogit-"


def make(max_tasks: int) -> Path | None:
    """Makes a group in which at most `max_tasks` processes and threads live; None if this system lets nobody do so.

    Never raises: a run goes on without it, held to its other limits.
    """
    parent = _parent()
    if parent is None:
        return None
    with suppress(OSError):
        for left in parent.glob(f"{PREFIX}*"):
            # Only of reapers that are gone: a group that is empty may be one that a living reaper has just made.
            if not Path(f"/proc/{left.name.removeprefix(PREFIX)}").exists():
                remove(left)
    group = parent / f"{PREFIX}{os.getpid()}"
    try:
        # A dead reaper of the same number may have left one.
        group.mkdir(exist_ok=True)
        (group / "pids.max").write_text(str(max_tasks))
    except OSError:
        remove(group)
        return None
    return group


def enter(group: Path) -> None:
    """Moves the calling process there; without it the other limits still hold."""
    with suppress(OSError):
        (group / "cgroup.procs").write_text("0")


def remove(group: Path) -> None:
    """Removes an empty group."""
    with suppress(OSError):
        group.rmdir()


def _parent() -> Path | None:
    """The folder of this process's own group in the hierarchy that counts tasks."""
    try:
        lines = Path("/proc/self/cgroup").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "pids" in controllers.split(","):
            return _existing(_ROOT / "pids", path)
    for line in lines:
        if line.startswith("0::"):
            own = _existing(_ROOT, line[3:])
            # A group with processes of its own has no groups below it that are counted; one beside it is.
            parent = own.parent if own is not None and own != _ROOT else own
            if parent is not None and "pids" in _read(parent / "cgroup.subtree_control").split():
                return parent
    return None


def _existing(root: Path, path: str) -> Path | None:
    folder = root / path.lstrip("/")
    return folder if folder.is_dir() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
