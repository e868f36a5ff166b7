"""The private temporary folder of one run, and how much a run has written."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autogit.files import remove_tree, walk

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "autogit-run-"
"""What the folders of runs are called, in the temporary folder and in shared memory."""
MIN_SHARED_BYTES = 64 * 1024 * 1024
"""Bytes that have to be free in /dev/shm, else a run's shared memory lies on the disk."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Folders that exist for one run only."""

    tmp: Path
    """The run's /tmp, with `home` in it."""
    files: Path
    """What autogit shows the run in place of the machine's own files; the run cannot write here."""
    shared: Path
    """The run's /dev/shm."""
    in_memory: bool
    """Whether `shared` is memory; it is a folder on the disk if this machine's /dev/shm is missing, full or closed."""


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Makes the folders of one run and removes them, whatever the run made of their permissions and depth."""
    with _folder(Path(tempfile.gettempdir())) as folder:
        for name in ("tmp/home", "files", "shm"):
            (folder / name).mkdir(parents=True)
        if not _has_shared_memory():
            yield Scratch(folder / "tmp", folder / "files", folder / "shm", in_memory=False)
            return
        with _folder(SHARED_MEMORY) as shared:
            yield Scratch(folder / "tmp", folder / "files", shared, in_memory=True)


def clear_leftovers() -> None:
    """Removes the folders of runs whose autogit was killed before it could do so."""
    for parent in (Path(tempfile.gettempdir()), SHARED_MEMORY):
        try:
            names = [entry.name for entry in os.scandir(parent) if entry.name.startswith(PREFIX)]
        except OSError:
            continue
        for name in names:
            place = _locked(parent / name)
            if place is not None:
                remove_tree(parent / name)
                os.close(place)


def written(folders: Iterable[Path]) -> int:
    """Returns the bytes that all files in `folders` take on disk; what vanishes meanwhile is not counted.

    Raises OSError if folders are nested too deep to be counted.
    """
    return sum(facts.st_blocks * 512 for folder in folders for _, facts in walk(folder))


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """Makes a folder that is locked as long as it is used: who finds it unlocked may remove it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    place = _locked(folder)
    try:
        yield folder
    finally:
        remove_tree(folder)
        if place is not None:
            os.close(place)


def _locked(folder: Path) -> int | None:
    """Locks a folder of this user; None if another process has it, or it is somebody else's."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(place).st_uid == os.getuid():
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return place
    except OSError:
        pass
    os.close(place)
    return None


def _has_shared_memory() -> bool:
    """Whether this machine's /dev/shm can be written to and has room."""
    try:
        system = os.statvfs(SHARED_MEMORY)
        free = system.f_bavail * system.f_frsize >= MIN_SHARED_BYTES
        return free and not system.f_flag & os.ST_RDONLY and os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
    except OSError:
        return False
