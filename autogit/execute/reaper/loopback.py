"""Namespaces of one's own: a network with nothing but the loopback, System V memory, and /dev/shm.

Workers of one run can talk, to no one else, and find nothing that another run left.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

_NEW_MOUNTS, _NEW_USER, _NEW_IPC, _NEW_NETWORK = 0x20000, 0x10000000, 0x08000000, 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def enter(network: bool, shared: str) -> bool:
    """Moves the calling process there; False if this system lets neither root nor a user do so.

    `network`: whether the machine's own stays open. `shared`: the folder that is /dev/shm from now on, if this system
    lets a process mount it.
    """
    for mounts in (shared, None):
        # Some systems let a user make namespaces and then refuse what they are for (AppArmor), or mount nothing
        # (a chroot). There is no way back from half of it, so that another process tries it first.
        if _can(network, mounts):
            _enter(network, mounts)
            return True
    return False


def _can(network: bool, shared: str | None) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _enter(network, shared)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _enter(network: bool, shared: str | None) -> None:
    """Moves the calling process. Raises OSError if that is refused, perhaps half-way."""
    uid, gid = os.getuid(), os.getgid()
    wanted = (0 if shared is None else _NEW_MOUNTS) | _NEW_IPC | (0 if network else _NEW_NETWORK)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(wanted) != 0:
        if libc.unshare(_NEW_USER | wanted) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"unshare: {os.strerror(number)}")
        with suppress(FileNotFoundError):
            Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    if shared is not None and Path("/dev/shm").is_dir():
        _mount(None, "/", _MS_REC | _MS_PRIVATE)
        _mount(shared, "/dev/shm", _MS_BIND)
    if not network:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sH14s", b"lo", 0, b"")
            flags = struct.unpack("16sH14s", fcntl.ioctl(control, _GET_FLAGS, request))[1]
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14s", b"lo", flags | _UP, b""))


def _mount(source: str | None, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = None if source is None else os.fsencode(source)
    if libc.mount(encoded, target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {target}: {os.strerror(number)}")
