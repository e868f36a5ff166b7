"""What a process gives up before it becomes the job: limits, privileges, the file system, the network."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from autogit.execute.reaper.plan import Plan

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522


def confine(plan: Plan) -> None:
    """Confines the calling process, for good. Raises OSError where the kernel refuses."""
    # Never RLIMIT_AS: CUDA reserves address space far beyond the memory that it uses.
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, plan.file_size)
    if plan.tasks is not None:
        _lower(resource.RLIMIT_NPROC, plan.tasks)
    if sys.platform != "linux":
        return
    # When memory runs out all the same, the kernel is to take the job and not autogit.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if not plan.confined:
        return
    if plan.fence is None:
        _give_up_privileges()
        return
    from autogit.execute.reaper import landlock, loopback, seccomp

    # Without namespaces of its own there is no network at all, not even between the workers of one run, and no
    # memory that would outlive it.
    apart = loopback.enter(plan.fence.network, plan.fence.shared)
    _give_up_privileges()
    landlock.restrict(plan.fence)
    seccomp.forbid(network=not apart and not plan.fence.network, lasting=not apart)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


def _give_up_privileges() -> None:
    """Root without its powers: it cannot set the clock, mount, or load anything, nor get them back."""
    capability = 0
    while _prctl(_PR_CAPBSET_DROP, capability, needed=False):
        capability += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int, needed: bool = True) -> bool:
    return _call("prctl", option, ctypes.c_ulong(value), 0, 0, 0, needed=needed)


def _call(name: str, *arguments: object, needed: bool = True) -> bool:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == 0:
        return True
    if needed:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return False
