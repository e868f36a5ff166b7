"""The levels of protection, from the strongest to the weakest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from autogit.config.model import Sandbox
from autogit.execute import readable
from autogit.execute.bubblewrap import BubblewrapTier
from autogit.execute.reaper.plan import Fence, Plan
from autogit.execute.scratch import Scratch
from autogit.execute.variables import variables
from autogit.protocols import Job

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")


class Tier(Protocol):
    """A level of protection."""

    name: str

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """How `job` is started under it."""


class LandlockTier:
    """An allow-list of paths by Landlock, the network closed by a namespace or by seccomp; neither needs a privilege.

    Weaker than bubblewrap: names outside the list can be guessed at, protected files in the checkout are only
    checked afterwards, and Unix sockets that lie in a readable folder can be spoken to. /dev/shm is everyone's if this
    system gives no namespaces.
    """

    name = "landlock"

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """Starts the job's shell behind a fence."""
        environment = variables(job, self._sandbox, scratch.tmp)
        read = [*readable.SYSTEM, *readable.settings(self._sandbox.network), *map(Path, ("/proc", "/sys"))]
        read += [Path("/etc") / name for name in ("passwd", "group", "hosts")]
        read += readable.named(job, self._sandbox, environment)
        write = [
            job.checkout,
            scratch.tmp,
            scratch.shared,
            *readable.devices(),
            *(Path("/dev") / name for name in _DEVICES),
        ]
        (read if job.out_read_only else write).append(job.out)
        masked = {path.resolve() for path in job.masked}
        around = [path for path in read if any(mask.is_relative_to(path.resolve()) for mask in masked)]
        opened = [place for path in around for place in _unmasked(path.resolve(), masked)]
        return Plan(
            argv=("sh", "-c", job.command),
            folder=str(job.folder),
            variables=environment,
            file_size=int(self._sandbox.disk_gb * 10**9),
            fence=Fence(
                read=tuple(str(path) for path in (*read, *opened) if path not in around),
                write=tuple(map(str, write)),
                list_only=tuple(map(str, around)),
                network=self._sandbox.network,
                shared=str(scratch.shared),
            ),
        )


class RlimitsTier:
    """Limits alone: what a job reads, writes and connects to is not confined."""

    name = "rlimits"

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def plan(self, job: Job, scratch: Scratch) -> Plan:
        """Starts the job's shell as it is."""
        return Plan(
            argv=("sh", "-c", job.command),
            folder=str(job.folder),
            variables=variables(job, self._sandbox, scratch.tmp),
            file_size=int(self._sandbox.disk_gb * 10**9),
        )


TIERS: tuple[type[BubblewrapTier] | type[LandlockTier] | type[RlimitsTier], ...] = (
    BubblewrapTier,
    LandlockTier,
    RlimitsTier,
)
"""The strongest first."""


def _unmasked(folder: Path, masked: set[Path]) -> Iterator[Path]:
    """What in `folder` may be read where parts of it are masked: the largest pieces that hold nothing masked."""
    if folder in masked or not folder.is_dir():
        return
    for path in folder.iterdir():
        if any(mask.is_relative_to(path) for mask in masked):
            yield from _unmasked(path, masked)
        else:
            yield path
