"""Keeps a model that is being scored from reading the answers, and from telling anybody what it was asked.

By Landlock (Linux 5.13 and later; https://docs.kernel.org/userspace-api/landlock.html), which needs no privileges and
also keeps a process from looking into the memory of one that is not confined with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE = 1 << 1, 1 << 2
_MAKE_AND_REMOVE = 0b1_1111_1111 << 4
_TRUNCATE = 1 << 14
_TRUNCATE_SINCE, _SCOPES_SINCE = 3, 6
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 38, 36


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def hide(paths: Iterable[Path], silence: bool = False) -> bool:
    """Makes everything below `paths` unreadable to this process and all that it starts, for good.

    With `silence` they can also write to nothing but devices, and reach no process outside by socket or signal.
    False where this system cannot do that.
    """
    known = _libc().syscall(_CREATE_RULESET, None, 0, _VERSION) if sys.platform == "linux" else 0
    if known < 1:
        return False
    rights = _Ruleset(_READ_FILE, 0, 0)
    if silence:
        rights.files |= _WRITE_FILE | _MAKE_AND_REMOVE | (_TRUNCATE if known >= _TRUNCATE_SINCE else 0)
        rights.scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if known >= _SCOPES_SINCE else 0
    size = ctypes.sizeof(rights) if rights.scoped else 8
    rules = _libc().syscall(_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    for path in _all_but({path.resolve() for path in paths} | {Path("/dev/shm")}, Path("/")):
        with contextlib.suppress(OSError):
            place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            device = stat.S_ISCHR(os.fstat(place).st_mode)
            rule = _PathBeneath(_READ_FILE | (rights.files & _WRITE_FILE if device else 0), place)
            _libc().syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
            os.close(place)
    _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    confined = _libc().syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return bool(confined)


def adopt_orphans() -> None:
    """From now on what a child leaves running is this process's own child."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(but: int) -> None:
    """Ends every child of this process except `but`, and what they leave behind, however often."""
    while orphans := [child for child in _children() if child != but]:
        for child in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _children() -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _all_but(hidden: set[Path], folder: Path) -> Iterator[Path]:
    """The largest subtrees of `folder` without any of `hidden` in them: Landlock can only allow."""
    on_the_way = {parent for path in hidden for parent in path.parents}
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink() or entry in hidden:
            continue  # what a link leads to is allowed, or not, at its own place
        if entry in on_the_way:
            yield from _all_but(hidden, entry)
        else:
            yield entry


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
