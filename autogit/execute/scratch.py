"""The private temporary folder of one run, and how much a run has written."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Scratch:
    """Folders that exist for one run only."""

    tmp: Path
    """The run's /tmp, with `home` in it."""
    files: Path
    """What autogit shows the run in place of the machine's own files; the run cannot write here."""
    shared: Path | None
    """The run's /dev/shm, which is memory; None where this system has none."""


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Makes the folders of one run and removes them, whatever the run made of their permissions."""
    folder = Path(tempfile.mkdtemp(prefix="autogit-"))
    shared = Path(tempfile.mkdtemp(prefix="autogit-", dir=_SHARED_MEMORY)) if _SHARED_MEMORY.is_dir() else None
    try:
        (folder / "tmp" / "home").mkdir(parents=True)
        (folder / "files").mkdir()
        yield Scratch(folder / "tmp", folder / "files", shared)
    finally:
        _remove(folder)
        if shared is not None:
            _remove(shared)


def written(folders: Iterable[Path]) -> int:
    """Bytes that all files in `folders` take on disk; what vanishes meanwhile is not counted."""
    total = 0
    ahead = [str(folder) for folder in folders]
    while ahead:
        try:
            entries = list(os.scandir(ahead.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(entry.path)
            except OSError:
                continue
    return total


def _remove(folder: Path) -> None:
    for place, _, _ in os.walk(folder):
        # From above, before it is entered: a folder may have been left that cannot be listed.
        for entry in Path(place).iterdir():
            if entry.is_dir() and not entry.is_symlink():
                entry.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
