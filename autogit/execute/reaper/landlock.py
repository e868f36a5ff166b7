"""Landlock, the kernel's file system allow-list that needs no privilege, called directly: Python has no binding.

Source: the kernel's userspace-api/landlock documentation and uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys

from autogit.execute.reaper.plan import Fence

# The system calls have these numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_RIGHTS_SINCE = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many of the rights on files, counted from the lowest bit, each version of the interface knows."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""The rights that make sense on something that is not a folder."""
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1
_SCOPES_SINCE = 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Of the kernel's interface, from 1; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION)))


def restrict(fence: Fence) -> None:
    """Confines the calling process and all that it starts to `fence`'s paths. Needs no_new_privs. Raises OSError."""
    known = version()
    rights = (1 << max((count for since, count in _RIGHTS_SINCE.items() if since <= known), default=0)) - 1
    # Signals reach only what lives behind the same fence: not the reaper, not autogit, not the person's programs.
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if known >= _SCOPES_SINCE else 0
    wanted = _Ruleset(rights, 0, scoped)
    size = ctypes.sizeof(wanted) if scoped else 8
    rules = _check(_libc().syscall(_CREATE_RULESET, ctypes.byref(wanted), size, 0), "landlock_create_ruleset")
    try:
        for path in fence.write:
            _allow(rules, path, rights)
        for path in fence.read:
            _allow(rules, path, rights & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in fence.list_only:
            _allow(rules, path, rights & _READ_DIR)
        _check(_libc().syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # What is not there needs no permission.
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, place)
        _check(_libc().syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0), f"landlock_add_rule: {path}")
    finally:
        os.close(place)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
