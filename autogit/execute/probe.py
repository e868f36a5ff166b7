"""Which levels of protection work on this machine, found out by running under them."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from dataclasses import dataclass
from threading import Event

from autogit.config.model import FILENAME, Sandbox
from autogit.errors import ConfigError, WorkspaceError
from autogit.execute.handle import ReaperPool
from autogit.execute.limits import GB, Limits
from autogit.execute.sandbox import TIERS, RlimitsTier, Tier
from autogit.execute.scratch import temporary_folder
from autogit.execute.supervision import supervise
from autogit.protocols import Ending, Halt, Job

PROBE_TIMEOUT = 120.0
"""Seconds; a machine may be busy."""
PROBE_TRIES = 3
_NO_SPACE = os.strerror(errno.ENOSPC)
_LIMITS = Limits(memory=2 * GB, processes=64, disk=GB, reserve=0)
_SCRIPT = """
import errno, pathlib, socket, sys
out, inside, outside = map(pathlib.Path, sys.argv[1:])
(out / "made").write_text("made")
(inside / "made").write_text("made")
for leak, act in (("reads", lambda: (outside / "secret").read_text()), ("writes", lambda: (outside / "made").touch())):
    try:
        act()
    except OSError:
        continue
    sys.exit(leak + " what it was not given")
try:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    if connection.connect_ex(("192.0.2.1", 9)) == errno.EINPROGRESS:
        sys.exit("reaches the network")
except OSError:
    pass
"""
"""Does what a job must be able to do, then tries what it must not. 192.0.2.1 is reserved for documentation."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether one tier works here."""

    tier: str
    works: bool
    why: str
    """Why not; empty if it works."""
    tried: bool = True
    """False if something that passes (a full disk, a slow machine) kept it from being tried."""


def probe() -> list[Probe]:
    """Every tier, the strongest first."""
    found = []
    reapers = ReaperPool()
    for kind in TIERS:
        found.append(_try(kind(Sandbox()), reapers))
    return found


def choose(sandbox: Sandbox, reapers: ReaperPool) -> Tier:
    """Returns the configured tier, or the strongest that works.

    Raises ConfigError if the configured one does not, WorkspaceError if a stronger one could not be tried: what is out
    of order for a moment does not lower the protection.
    """
    faults = []
    for kind in TIERS:
        if sandbox.tier not in ("auto", kind.name):
            continue
        found = _try(kind(Sandbox()), reapers)
        if found.works:
            return kind(sandbox)
        if not found.tried:
            raise WorkspaceError(
                f"could not find out whether the sandbox {kind.name} works here ({found.why}); start again when that "
                f'is mended, or name another level: [sandbox] tier = "..." in {FILENAME}'
            )
        faults.append(f"{kind.name}: {found.why}")
    raise ConfigError(
        f'{FILENAME}: sandbox.tier = "{sandbox.tier}" does not work on this machine ({"; ".join(faults)}); '
        'expected one that does: see autogit doctor, or use "auto"'
    )


def _try(tier: Tier, reapers: ReaperPool) -> Probe:
    """Runs under `tier`, up to PROBE_TRIES times as long as only passing faults come."""
    found = Probe(tier.name, False, "", tried=False)
    for _ in range(PROBE_TRIES):
        try:
            found = _once(tier, reapers)
        except (OSError, WorkspaceError) as error:
            found = Probe(tier.name, False, str(error), tried=False)
        if found.tried:
            break
    return found


def _once(tier: Tier, reapers: ReaperPool) -> Probe:
    with temporary_folder() as own:
        checkout, out, outside = (own / part for part in ("checkout", "out", "outside"))
        for folder in (checkout, out, outside):
            folder.mkdir()
        (outside / "secret").write_text("secret")
        script = "" if isinstance(tier, RlimitsTier) else _SCRIPT
        arguments = map(str, (sys.executable, "-I", "-S", "-c", script, out, checkout, outside))
        job = Job(command=shlex.join(arguments), checkout=checkout, folder=checkout, out=out, timeout=PROBE_TIMEOUT)
        execution = supervise(job, tier, reapers, _LIMITS, 1 << 16, _Deaf(), Event())
    if execution.succeeded:
        return Probe(tier.name, True, "")
    last = execution.log.strip().rpartition("\n")[2]
    why = execution.reason if last in execution.reason else f"{execution.reason}: {last}"
    tried = execution.ending is Ending.EXITED and _NO_SPACE not in execution.log
    return Probe(tier.name, False, why, tried)


class _Deaf:
    def line(self, text: str, seconds: float) -> Halt | None:
        return None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        return None
