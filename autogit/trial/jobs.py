"""The jobs of a trial: configured commands with their placeholders filled in, and a fingerprint of their data."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autogit.config.model import FILENAME, Config
from autogit.errors import ConfigError
from autogit.protocols import Job
from autogit.trial.data import lay_out, sources

SHOWN_VARIABLES = ("OMP_NUM_THREADS",)
"""Those that change a result on the CPU: a line to paste has to set them."""
SAMPLE_BYTES = 64 * 1024
"""Bytes of a data file that are read at each of its ends; data sets are too large to read whole before every loop."""
MAX_FINGERPRINTED_FILES = 10_000


@dataclass(frozen=True, slots=True)
class JobMaker:
    """Makes the jobs of one lab."""

    config: Config
    root: Path
    """The top of the person's own checkout: ignored data is taken from there."""
    prefix: str = ""
    """Where the commands start, relative to a checkout's top."""
    seconds: float | None = None
    """Wall time of a run, where the budget is time."""

    @property
    def data(self) -> tuple[Path, ...]:
        """Where the data that git ignores really is. Raises WorkspaceError where it is not."""
        return sources(self.root / self.prefix, self.config.train.data)

    def train(
        self,
        checkout: Path,
        out: Path,
        seed: int,
        steps: int | None,
        variables: Mapping[str, str],
        timeout: float | None,
        masked: tuple[Path, ...] = (),
        timed: bool = True,
    ) -> Job:
        """The training job of one run; `timeout` in seconds. It finds the paths of `masked` empty.

        `timed`: whether its time ends it, where time is the budget.
        """
        # A script that is told its time keeps it; the supervisor comes after it.
        own = "{seconds}" in self.config.train.command
        seconds = self.seconds if timed else None
        seconds = seconds + self.config.budget.grace if seconds and own else seconds
        return Job(
            command=self._fill(self.config.train.command, seed, steps, out, variables),
            checkout=checkout,
            folder=checkout / self.prefix,
            out=out,
            variables=variables,
            protected=self._protected_files(checkout),
            data=self._data(checkout),
            masked=masked,
            repository=self.root,
            seconds=seconds,
            timeout=None if seconds else timeout,
            grace=self.config.budget.grace,
        )

    def check(self, checkout: Path, out: Path, seed: int, variables: Mapping[str, str]) -> Job:
        """The gate before training; like training it cannot write to protected files."""
        return Job(
            command=self._fill(self.config.check.command, seed, self.config.budget.steps, out, variables),
            checkout=checkout,
            folder=checkout / self.prefix,
            out=out,
            variables=variables,
            protected=self._protected_files(checkout),
            data=self._data(checkout),
            timeout=self.config.check.timeout,
        )

    def protected(
        self,
        command: str,
        checkout: Path,
        out: Path,
        seed: int,
        variables: Mapping[str, str],
        steps: int | None = None,
        timeout: float | None = None,
    ) -> Job:
        """A protected command beside training: evaluator, budget or held-out paths. It cannot write to `out`."""
        return Job(
            command=self._fill(command, seed, steps, out, variables),
            checkout=checkout,
            folder=checkout / self.prefix,
            out=out,
            variables=variables,
            data=self._data(checkout),
            repository=self.root,
            timeout=timeout or self.config.evaluate.timeout,
            out_read_only=True,
        )

    def line(self, ref: str, seed: int, steps: int | None, variables: Mapping[str, str]) -> str:
        """One line to paste in a checkout of the trial `ref` that gives the run's number again."""
        out = Path("/tmp") / re.sub(r"\W+", "-", f"autogit-{ref}-{seed}")
        settings = "".join(f"{name}={variables[name]} " for name in SHOWN_VARIABLES if name in variables)
        commands = [c for c in (self.config.train.command, self.config.evaluate.command) if c]
        parts = [settings + self._fill(command, seed, steps, out, variables, python="python") for command in commands]
        if any("{out}" in command for command in commands):
            parts.insert(0, f"mkdir -p {out}")
        if self.prefix:
            parts.insert(0, f"cd {shlex.quote(self.prefix)}")
        return " && ".join(parts)

    def _fill(
        self,
        command: str,
        seed: int,
        steps: int | None,
        out: Path,
        variables: Mapping[str, str],
        python: str = sys.executable,
    ) -> str:
        values: dict[str, object] = {
            "seed": seed,
            "out": shlex.quote(str(out)),
            "python": shlex.quote(python),
            # Without any it is one process on the CPU: `torchrun --nproc-per-node 0` is none.
            "gpus": max(1, len([gpu for gpu in variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu.strip()])),
            "steps": steps,
            "seconds": None if self.seconds is None else f"{self.seconds:g}",
            "flops": None if self.config.budget.flops is None else f"{self.config.budget.flops:g}",
        }
        for name, value in values.items():
            if value is None and f"{{{name}}}" in command.replace("{{", ""):
                raise ConfigError(f"{FILENAME}: {command!r} uses {{{name}}}, but [budget] sets no {name}: add it there")
        return command.format(**values)

    def _protected_files(self, checkout: Path) -> tuple[Path, ...]:
        """Protected files and folders of a checkout; a folder stands for what is in it."""
        found = {p for pattern in self.config.train.protected for p in (checkout / self.prefix).glob(pattern)}
        found |= set(checkout.glob(FILENAME)) | set((checkout / self.prefix).glob(FILENAME))
        return tuple(sorted(p for p in found if not any(parent in found for parent in p.parents)))

    def _data(self, checkout: Path) -> tuple[Path, ...]:
        """Links ignored data into a checkout, at the same place, and names all that has to be readable for it."""
        return lay_out(checkout, checkout / self.prefix, self.config.train.data, self.data)


def fingerprint(paths: Iterable[Path]) -> str:
    """Returns 16 hexadecimal digits over names, sizes and both ends of the files in `paths`, folders in order.

    Of more than 10,000 files the names and sizes of the first 10,000 count.
    """
    digest = hashlib.sha256()
    for path in paths:
        for name, file in _files_of(path):
            size = file.stat().st_size
            digest.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                digest.update(stream.read(SAMPLE_BYTES))
                if size > 2 * SAMPLE_BYTES:
                    stream.seek(-SAMPLE_BYTES, 2)
                digest.update(stream.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def _files_of(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    found = sorted(p for p in path.rglob("*") if p.is_file())
    yield from ((str(file.relative_to(path)), file) for file in found[:MAX_FINGERPRINTED_FILES])
