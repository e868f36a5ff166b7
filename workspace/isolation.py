"""Keeps a model that is being scored from reading the answers, and from telling anybody what it was asked.

By Landlock (Linux 5.13 and later; https://docs.kernel.org/userspace-api/landlock.html), which needs no privileges and
also keeps a process from looking into the memory of one that is not confined with it. It does not know of dates,
permissions and attributes of files, nor of memory that outlives who shared it: a seccomp filter forbids those, so that
nothing that one process was asked is there for the next one to read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
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
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 22, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522

# Of seccomp: classic BPF over (number, architecture, ..., arguments). x86_64 has each call twice, the second as x32.
_FILTER, _LOAD, _EQUAL, _AT_LEAST, _RETURN = 2, 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE, _X32 = 0x7FFF0000, 0x00050000 | 1, 0x40000000
_LASTING = {
    # chmod, chown, utime, setxattr, removexattr and their kin; truncate; shmget, semget, msgget, mq_open; add_key,
    # request_key, keyctl; ptrace, process_vm_readv, process_vm_writev, pidfd_getfd; io_uring_setup, which does anything
    "x86_64": (90, 91, 92, 93, 94, 260, 268, 452, 132, 235, 261, 280, 188, 189, 190, 463, 197, 198, 199, 466, 76,
               29, 64, 68, 240, 248, 249, 250, 101, 310, 311, 438, 425),
    "aarch64": (52, 53, 54, 55, 452, 88, 5, 6, 7, 463, 14, 15, 16, 466, 45,
                194, 190, 186, 180, 217, 218, 219, 117, 270, 271, 438, 425),
}  # fmt: skip
"""System calls that leave something behind, or reach into another process."""
_SELECTIVE = {"x86_64": (0xC000003E, 41, 302), "aarch64": (0xC00000B7, 198, 261)}
"""The architecture's name in a filter; `socket`, allowed between processes; `prlimit64`, allowed on oneself."""
_SYSTEM = {
    *map(Path, ("/bin", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/media", "/mnt", "/nix", "/opt")),
    *map(Path, ("/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var")),
    *(Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")),
    *(Path("/dev") / name for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps")),
    *(Path("/dev") / name for name in ("dri", "kfd", "dxg", *(f"nvidia{number}" for number in range(32)))),
}
"""What may have to be opened if `/` or `/dev` cannot be listed."""


class IsolationError(Exception):
    """The text cannot be hidden without hiding what Python itself needs."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def hide(paths: Iterable[Path], silence: bool = False) -> bool:
    """Makes everything below `paths` unreadable to this process and all that it starts, for good.

    With `silence` they can also write to nothing but devices, leave nothing behind, and reach no process outside.
    Returns False if this system cannot do that, or if a thread runs already: it would go free.
    Raises IsolationError, before anything is given up, if this interpreter's own packages could not be read afterwards.
    """
    known = _libc().syscall(_CREATE_RULESET, None, 0, _VERSION) if sys.platform == "linux" else 0
    if known < 1 or _threads() != 1:
        return False
    allowed = list(_all_but({path.resolve() for path in paths} | {Path("/dev/shm")}, Path("/"), _known()))
    _check_packages(allowed)
    rights = _Ruleset(_READ_FILE, 0, 0)
    if silence:
        rights.files |= _WRITE_FILE | _MAKE_AND_REMOVE | (_TRUNCATE if known >= _TRUNCATE_SINCE else 0)
        rights.scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if known >= _SCOPES_SINCE else 0
    size = ctypes.sizeof(rights) if rights.scoped else 8
    rules = _libc().syscall(_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    for path in allowed:
        with contextlib.suppress(OSError):
            place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            device = stat.S_ISCHR(os.fstat(place).st_mode)
            rule = _PathBeneath(_READ_FILE | (rights.files & _WRITE_FILE if device else 0), place)
            _libc().syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
            os.close(place)
    _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    confined = _libc().syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return bool(confined) and (not silence or (_renounce() and _forget()))


def guard() -> None:
    """From now on what a child leaves running is this process's own child, and nobody of this user looks into it."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_orphans(but: int = 0) -> None:
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


def _threads() -> int:
    """How many threads this process has; 0 if that cannot be seen (no /proc)."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 0


def _all_but(hidden: set[Path], folder: Path, known: set[Path]) -> Iterator[Path]:
    """The largest subtrees of `folder` without any of `hidden` in them: Landlock can only allow.

    A fence around this process may forbid to list `folder` though what lies in it can be opened: then it is known by
    name. To allow more than that fence does opens nothing: both have to agree.
    """
    on_the_way = {parent for path in hidden for parent in path.parents}
    names = {path.relative_to(folder).parts[0] for path in known if path != folder and path.is_relative_to(folder)}
    with contextlib.suppress(OSError):
        names.update(os.listdir(folder))  # noqa: PTH208
    for entry in sorted(folder / name for name in names):
        if os.path.islink(entry) or entry in hidden:  # noqa: PTH114 (where it may not look, Path raises)
            continue  # what a link leads to is allowed, or not, at its own place
        if entry in on_the_way:
            yield from _all_but(hidden, entry, known)
        else:
            yield entry


def _known() -> set[Path]:
    """What this process may have to open, by name: the system's folders, its own packages, programs and libraries."""
    variables = (os.environ.get(name, "") for name in ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR"))
    named = [*sys.path, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable, *sys.argv]
    named += [name for variable in variables for name in variable.split(os.pathsep)]
    with contextlib.suppress(OSError):
        named += [line[line.index("/") :] for line in Path("/proc/self/maps").read_text().split("\n") if "/" in line]
    paths = {Path(os.path.abspath(name)) for name in (*named, ".") if name}  # noqa: PTH100
    return {place for path in paths for place in (path, path.resolve())} | _SYSTEM


def _check_packages(allowed: Iterable[Path]) -> None:
    allowed = list(allowed)
    for folder in (Path(name).resolve() for name in sys.path if name):
        reached = any(folder.is_relative_to(path) or path.is_relative_to(folder) for path in allowed)
        if os.path.exists(folder) and not reached:  # noqa: PTH110
            raise IsolationError(f"cannot hide the text that is scored: nothing in {folder}, which Python needs, could "
                                 "be left readable; list that folder in sandbox.read")  # fmt: skip


def _renounce() -> bool:
    """Gives up the powers of root, which reach past every other barrier."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    return bool(_libc().capset(header, (ctypes.c_uint32 * 6)()) == 0)


def _forget() -> bool:
    """Forbids, for good, what would outlive this process. False where the kernel or the architecture is a stranger."""
    machine = platform.machine()
    if machine not in _LASTING:
        return False
    name, sockets, limits = _SELECTIVE[machine]
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, name), (_RETURN, 0, 0, _REFUSE)]
    code += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    for number in _LASTING[machine]:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    for number, argument in ((sockets, socket.AF_UNIX), (limits, 0)):
        code += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, 1, argument)]
        code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code.append((_RETURN, 0, 0, _ALLOW))
    program = _Program(len(code), (_Instruction * len(code))(*(_Instruction(*line) for line in code)))
    return bool(_libc().prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
