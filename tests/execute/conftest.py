"""Runs a hostile script under a tier with small limits, and looks for what is left of it."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from autogit.config.model import Config, Sandbox, Train
from autogit.execute.local import LocalExecutor
from autogit.execute.probe import probe
from autogit.execute.reaper.processes import marked
from autogit.protocols import Execution, Halt, Job
from autogit.records import RunStatus

SCRIPTS = Path(__file__).parent / "hostile" / "scripts"


@cache
def faults() -> dict[str, str]:
    return {found.tier: found.why for found in probe()}


@cache
def executor_for(sandbox: Sandbox) -> LocalExecutor:
    return LocalExecutor(Config(Train("x"), sandbox=sandbox))


@dataclass
class Ear:
    """A monitor that remembers, and halts on NaN."""

    lines: list[str] = field(default_factory=list)

    def line(self, text: str, seconds: float) -> Halt | None:
        self.lines.append(text)
        return Halt(RunStatus.UNSTABLE, "loss is nan") if text.endswith("nan") else None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        return None


@dataclass
class Bench:
    """One tier with small limits; every run has a checkout of its own."""

    tier: str
    folder: Path
    ear: Ear = field(default_factory=Ear)
    mark: str = field(default_factory=lambda: uuid4().hex)
    cancel: Event = field(default_factory=Event)
    sandbox: dict[str, object] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self, script: str, *arguments: str, **job: object) -> Execution:
        """Runs `scripts/<script>.py OUT ARGUMENTS...`; nothing of it may be left."""
        self.checkout.mkdir(exist_ok=True)
        self.out.mkdir(exist_ok=True)
        shutil.copy(SCRIPTS / f"{script}.py", self.checkout / "train.py")
        limits = {"memory_gb": 0.25, "processes": 40, "disk_gb": 0.05, "output_mb": 1.0, **self.sandbox}
        executor = executor_for(Sandbox(tier=self.tier, **limits))  # type: ignore[arg-type]
        command = shlex.join([sys.executable, "-S", "train.py", str(self.out), *arguments])
        settings = {
            "command": command, "checkout": self.checkout, "folder": self.checkout, "out": self.out,
            "variables": {**executor.variables(0, 1), "MARK": self.mark}, "timeout": 30.0, "grace": 0.3, **job,
        }  # fmt: skip
        try:
            return executor.run(Job(**settings), self.ear, self.cancel)  # type: ignore[arg-type]
        finally:
            assert marked(f"MARK={self.mark}".encode()) == []


@pytest.fixture(params=["bubblewrap", "landlock", "rlimits"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Every tier in turn; one that does not work here is skipped and says why."""
    yield _bench(request.param, tmp_path)


@pytest.fixture(params=["bubblewrap", "landlock"])
def fenced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """The tiers that confine what a job reads and writes."""
    yield _bench(request.param, tmp_path)


@pytest.fixture
def strongest(tmp_path: Path) -> Iterator[Bench]:
    """For what does not depend on the tier."""
    yield _bench(next(tier for tier, fault in faults().items() if not fault), tmp_path)


def _bench(tier: str, folder: Path) -> Bench:
    if faults()[tier]:
        pytest.skip(f"{tier} does not work here: {faults()[tier]}")
    return Bench(tier, folder)
