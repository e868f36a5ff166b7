"""Takes from a process, and from all that it starts, the right to read the files below some paths.

By Landlock (Linux 5.13 and later; https://docs.kernel.org/userspace-api/landlock.html), which needs no privileges and
also keeps such a process from looking into the memory of its parent.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS = 38
_READ_FILE = 1 << 2
_PATH_BENEATH = 1


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def hide(paths: Iterable[Path]) -> bool:
    """Makes everything below `paths` unreadable for good. False where this system cannot do that."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.c_uint64(_READ_FILE)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    for path in _all_but({path.resolve() for path in paths}, Path("/")):
        try:
            place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        rule = _PathBeneath(_READ_FILE, place)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(place)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0


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
