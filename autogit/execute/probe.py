"""Which levels of protection work on this machine, found out by running under them."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from autogit.config.model import FILENAME, Sandbox
from autogit.errors import ConfigError
from autogit.execute.keeping import Keepers
from autogit.execute.limits import GB, Limits
from autogit.execute.sandbox import TIERS, RlimitsTier, Tier
from autogit.execute.supervision import supervise
from autogit.protocols import Halt, Job

_LIMITS = Limits(memory=2 * GB, processes=64, disk=GB)
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
    """Why not; empty where it works."""


def probe() -> list[Probe]:
    """Every tier, the strongest first."""
    found = []
    keepers = Keepers()
    for kind in TIERS:
        why = _fault(kind(Sandbox()), keepers)
        found.append(Probe(kind.name, not why, why))
    return found


def choose(sandbox: Sandbox, keepers: Keepers) -> Tier:
    """The configured tier, or the strongest that works. Raises ConfigError where the configured one does not."""
    faults = []
    for kind in TIERS:
        if sandbox.tier not in ("auto", kind.name):
            continue
        fault = _fault(kind(Sandbox()), keepers)
        if not fault:
            return kind(sandbox)
        faults.append(f"{kind.name}: {fault}")
    raise ConfigError(
        f'{FILENAME}: sandbox.tier = "{sandbox.tier}" does not work on this machine ({"; ".join(faults)}); '
        'expected one that does: see autogit doctor, or use "auto"'
    )


def _fault(tier: Tier, keepers: Keepers) -> str:
    """What is wrong with `tier` here, in one line; empty where nothing is."""
    with tempfile.TemporaryDirectory(prefix="autogit-probe-") as name:
        checkout, out, outside = (Path(name) / part for part in ("checkout", "out", "outside"))
        for folder in (checkout, out, outside):
            folder.mkdir()
        (outside / "secret").write_text("secret")
        script = "" if isinstance(tier, RlimitsTier) else _SCRIPT
        arguments = map(str, (sys.executable, "-I", "-S", "-c", script, out, checkout, outside))
        job = Job(command=shlex.join(arguments), checkout=checkout, folder=checkout, out=out, timeout=20.0)
        execution = supervise(job, tier, keepers, _LIMITS, 1 << 16, _Deaf(), Event())
    if execution.succeeded:
        return ""
    last = execution.log.strip().rpartition("\n")[2]
    return f"{execution.reason}" if last in execution.reason else f"{execution.reason}: {last}"


class _Deaf:
    def line(self, text: str, seconds: float) -> Halt | None:
        return None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        return None
