"""The private temporary folder of one run, and how much a run has written."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.files import remove_tree, walk

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "autogit-run-"
"""What the folders of runs are called, in the temporary folder and in shared memory."""
_LOCK_TRIES = 8
"""Folders that are made before one is used without a lock."""
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
    with temporary_folder() as folder:
        for name in ("tmp", "tmp/home", "files", "shm"):
            (folder / name).mkdir()
        if shared_memory_fault():
            yield Scratch(folder / "tmp", folder / "files", folder / "shm", in_memory=False)
            return
        with temporary_folder(SHARED_MEMORY) as shared:
            yield Scratch(folder / "tmp", folder / "files", shared, in_memory=True)


def shared_memory_fault() -> str:
    """Returns why a run's shared memory lies on the disk; "" if this machine's /dev/shm can be used."""
    try:
        system = os.statvfs(SHARED_MEMORY)
    except OSError:
        return f"there is no {SHARED_MEMORY}"
    free = system.f_bavail * system.f_frsize
    if system.f_flag & os.ST_RDONLY or not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return f"{SHARED_MEMORY} cannot be written to"
    if free < MIN_SHARED_BYTES:
        return f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, {MIN_SHARED_BYTES / 1e6:.0f} MB are needed"
    return ""


def clear_leftovers() -> None:
    """Removes the folders of runs whose autogit was killed before it could do so."""
    try:
        parents = (Path(tempfile.gettempdir()), SHARED_MEMORY)
    except OSError:
        return  # There is no folder for temporary files: the first run will say so.
    for parent in parents:
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
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Makes a folder that is locked as long as it is used: who finds it unlocked may remove it.

    `parent`: where; None: the temporary folder. Raises WorkspaceError if it cannot be made.
    """
    for _ in range(_LOCK_TRIES):
        folder = _made(parent)
        place = _locked(folder)
        # Another autogit that clears up may have found it between the two: then it takes it, and a new one is made.
        if place is not None and _leads_to(folder, place):
            break
        if place is not None:
            os.close(place)
    else:
        # A file system that knows no locks: nobody else can lock it either, and what is left there stays.
        folder, place = _made(parent), None
    try:
        yield folder
    finally:
        remove_tree(folder)
        if place is not None:
            os.close(place)


def _made(parent: Path | None) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise WorkspaceError(
            f"no temporary folder can be made for a run ({error}): free some disk there, or name another folder by "
            "the environment variable TMPDIR"
        ) from error


def _leads_to(folder: Path, place: int) -> bool:
    """Whether `folder` is still there, and the one that was opened as `place`."""
    try:
        return os.path.samestat(os.lstat(folder), os.fstat(place))
    except OSError:
        return False


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
