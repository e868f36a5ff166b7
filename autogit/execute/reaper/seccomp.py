"""A seccomp filter: system calls that training has no use for, and the network where it is closed.

Source: the kernel's userspace-api/seccomp_filter documentation and uapi/linux/{filter,seccomp,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
from dataclasses import dataclass

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_FAMILIES = (socket.AF_UNIX, getattr(socket, "AF_NETLINK", 16))
"""Kinds of sockets that lead nowhere else: between processes, and to the kernel's list of interfaces."""


@dataclass(frozen=True, slots=True)
class _Architecture:
    audit: int
    socket: int
    prctl: int
    forbidden: tuple[int, ...]
    """io_uring_setup (it opens sockets unseen), add_key, request_key, keyctl (the person's keyring)."""
    lasting: tuple[int, ...]
    """shmget, semget, msgget, mq_open: memory that outlives who made it, and is found by whoever comes next."""
    modes: tuple[tuple[int, int], ...]
    """(number, argument) of calls that set a file's permissions: chmod, fchmod, fchmodat, fchmodat2."""


_ARCHITECTURES = {
    "x86_64": _Architecture(
        0xC000003E, 41, 157, (425, 248, 249, 250), (29, 64, 68, 240), ((90, 1), (91, 1), (268, 2), (452, 2))
    ),
    "aarch64": _Architecture(
        0xC00000B7, 198, 167, (425, 217, 218, 219), (194, 190, 186, 180), ((52, 1), (53, 2), (452, 2))
    ),
}
_SETUID_BIT = 0o4000
"""Setgid is left to be set: folders of shared disks carry it, and copies of them."""
_PR_SET_DUMPABLE = 4
_X32 = 0x40000000
"""On x86_64, numbers from here up are the same calls by another name."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def forbid(network: bool, lasting: bool) -> None:
    """Forbids the calling process, for good, what training has no use for, `network`, and `lasting` shared memory.

    Needs no_new_privs. Raises OSError if the kernel refuses or the architecture is unknown here.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {platform.machine()}")
    code = _compiled(architecture, network, lasting)
    program = _Program(len(code), (_Instruction * len(code))(*code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def program() -> bytes:
    """Returns the filter for a job that has namespaces of its own, as bubblewrap reads it; empty if there is none.

    There is none for an architecture that is unknown here.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    return b"".join(map(bytes, _compiled(architecture, network=False, lasting=False))) if architecture else b""


def _compiled(architecture: _Architecture, network: bool, lasting: bool) -> list[_Instruction]:
    """Each test falls through to the next unless it says otherwise; what passes all of them is allowed."""
    refuse = [_Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    code = [
        _Instruction(_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        _Instruction(_JUMP_EQUAL, 1, 0, architecture.audit),
        *refuse,
        _Instruction(_LOAD, 0, 0, _OFFSET_NUMBER),
        _Instruction(_JUMP_AT_LEAST, 0, 1, _X32),
        *refuse,
    ]
    for number in (*architecture.forbidden, *(architecture.lasting if lasting else ())):
        # As if the kernel did not have it: programs then do without.
        code += [_Instruction(_JUMP_EQUAL, 0, 1, number), _Instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for number, argument in architecture.modes:
        code += [
            _Instruction(_JUMP_EQUAL, 0, 4, number),
            _Instruction(_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT + 8 * argument),
            _Instruction(_JUMP_ANY_BIT, 0, 1, _SETUID_BIT),
            *refuse,
            _Instruction(_RETURN, 0, 0, _ALLOW),
        ]
    # A process that cannot be dumped hides what it holds open from whoever measures it.
    code += [
        _Instruction(_JUMP_EQUAL, 0, 4, architecture.prctl),
        _Instruction(_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT),
        _Instruction(_JUMP_EQUAL, 0, 1, _PR_SET_DUMPABLE),
        *refuse,
        _Instruction(_RETURN, 0, 0, _ALLOW),
    ]
    if network:
        code += [
            _Instruction(_JUMP_EQUAL, 1, 0, architecture.socket),
            _Instruction(_RETURN, 0, 0, _ALLOW),
            _Instruction(_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT),
        ]
        code += [_Instruction(_JUMP_EQUAL, len(_FAMILIES) - index, 0, f) for index, f in enumerate(_FAMILIES)]
        code += refuse
    code.append(_Instruction(_RETURN, 0, 0, _ALLOW))
    return code
