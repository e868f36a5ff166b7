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
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_FAMILIES = (socket.AF_UNIX, getattr(socket, "AF_NETLINK", 16))
"""Kinds of sockets that lead nowhere else: between processes, and to the kernel's list of interfaces."""


@dataclass(frozen=True, slots=True)
class _Architecture:
    audit: int
    socket: int
    forbidden: tuple[int, ...]
    """io_uring_setup (it opens sockets unseen), add_key, request_key, keyctl (the person's keyring)."""


_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 41, (425, 248, 249, 250)),
    "aarch64": _Architecture(0xC00000B7, 198, (425, 217, 218, 219)),
}
_X32 = 0x40000000
"""On x86_64, numbers from here up are the same calls by another name."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def forbid(network: bool) -> None:
    """Forbids the calling process, for good, what training has no use for, and `network`. Needs no_new_privs.

    Raises OSError where the kernel refuses or the architecture is unknown here.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {platform.machine()}")
    code = _compiled(architecture, network)
    program = _Program(len(code), (_Instruction * len(code))(*code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def _compiled(architecture: _Architecture, network: bool) -> list[_Instruction]:
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
    for number in architecture.forbidden:
        # As if the kernel did not have it: programs then do without.
        code += [_Instruction(_JUMP_EQUAL, 0, 1, number), _Instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
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
