"""What the tests of the shipped workspace share: where it is, how it is run, what a run leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shipped import SHIPPED as SHIPPED

STEPS = 20


def python(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter in `folder`, with two threads."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def values(output: str) -> dict[str, str]:
    """The `key: value` lines of an output."""
    return dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)


@dataclass(frozen=True)
class Trained:
    folder: Path
    out: Path
    output: str
    errors: str
