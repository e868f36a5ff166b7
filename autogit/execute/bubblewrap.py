"""The strongest tier: namespaces of its own for processes, files and network, made by bubblewrap."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from autogit.config.model import Sandbox
from autogit.execute import readable
from autogit.execute.reaper.plan import SECCOMP_PLACE, Plan
from autogit.execute.scratch import Scratch
from autogit.execute.variables import variables
from autogit.protocols import Job

_TMP = Path("/tmp")


class BubblewrapTier:
    """Nothing of the machine is there but what is named: the job sees no home, no other process, no network."""

    name = "bubblewrap"

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """Wraps the job's shell."""
        environment = variables(job, self._sandbox, _TMP)
        argv = [shutil.which("bwrap") or "bwrap", *self._namespaces()]
        for option in (*self._system(scratch), *self._places(job, scratch, environment), *_masks(job, scratch)):
            argv += map(str, option)
        argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(job.folder)]
        argv += ["--seccomp", SECCOMP_PLACE]
        return Plan(
            argv=(*argv, "--", "sh", "-c", job.command),
            folder="/",
            variables=environment,
            file_size=int(self._sandbox.disk_gb * 10**9),
            confined=False,
        )

    def _namespaces(self) -> Iterator[str]:
        yield from ("--die-with-parent", "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts")
        yield from ("--unshare-cgroup-try", "--cap-drop", "ALL", "--hostname", "autogit")
        if not self._sandbox.network:
            yield "--unshare-net"

    def _system(self, scratch: Scratch) -> Iterator[tuple[object, ...]]:
        for folder in readable.SYSTEM:
            if folder.is_symlink():
                yield "--symlink", folder.readlink(), folder
            elif folder.exists():
                yield "--ro-bind", folder, folder
        for path in readable.settings(self._sandbox.network):
            yield "--ro-bind-try", path, path
        for name, text in _replaced(self._sandbox.network).items():
            (scratch.files / name).write_text(text)
            yield "--ro-bind", scratch.files / name, f"/etc/{name}"
        yield "--proc", "/proc"
        yield "--ro-bind-try", "/sys", "/sys"
        yield "--dev", "/dev"
        for device in readable.devices():
            yield "--dev-bind-try", device, device
        yield "--bind", scratch.shared, "/dev/shm"
        yield "--bind", scratch.tmp, _TMP

    def _places(self, job: Job, scratch: Scratch, environment: dict[str, str]) -> Iterator[tuple[object, ...]]:
        read_only = {*readable.named(job, self._sandbox, environment), *job.protected}
        writable = {job.checkout}
        (read_only if job.out_read_only else writable).add(job.out)
        # A folder before what lies in it: what is bound later covers what was there.
        for path in sorted(read_only | writable, key=lambda path: len(path.parts)):
            if path in job.protected and not path.exists():
                continue
            yield "--bind" if path in writable else "--ro-bind", path, path


def _replaced(network: bool) -> dict[str, str]:
    """Files of /etc that programs expect and that tell of the machine."""
    uid, gid = os.getuid(), os.getgid()
    files = {
        "passwd": f"autogit:x:{uid}:{gid}:autogit:/tmp/home:/bin/sh\n",
        "group": f"autogit:x:{gid}:\n",
    }
    if not network:
        files["hosts"] = "127.0.0.1 localhost autogit\n::1 localhost\n"
    return files


def _masks(job: Job, scratch: Scratch) -> Iterator[tuple[object, ...]]:
    """Empty files and folders over what exists and shall not be seen, the checkout's link to git among it."""
    empty = scratch.files / "empty"
    empty.touch()
    for path in _existing((job.checkout / ".git", *job.masked)):
        if path.is_dir():
            yield "--tmpfs", path
            yield "--remount-ro", path
        else:
            yield "--ro-bind", empty, path


def _existing(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.exists():
            yield path
            # It may be bound where it really is, too.
            if path.resolve() != path:
                yield path.resolve()
