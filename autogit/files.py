"""Removes, walks and reads what a run may have made.

Everything goes by directory descriptor: no link is followed, nothing that blocks is opened, and neither deep folders
nor names that cannot be written as one path end it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Bytes that are read of one file, if the caller names no other limit."""
MAX_WALK_DEPTH = 64
"""How many times 2,000 bytes of path a walk goes down before it gives up."""
_PATH_PART_BYTES = 2000
"""Bytes of path after which a walk goes on from a descriptor; the kernel takes 4,096 at a time."""
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID_BITS = stat.S_ISUID | stat.S_ISGID


def open_regular(path: Path, follow: bool = False) -> BufferedReader | None:
    """Opens a regular file to read; None if `path` is none, cannot be read, or is a link not to follow."""
    try:
        # Without O_NONBLOCK a FIFO would wait for somebody who writes.
        place = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(os.fstat(place).st_mode):
        os.close(place)
        return None
    return os.fdopen(place, "rb")


def read_regular(path: Path, limit: int = MAX_FILE_BYTES) -> bytes | None:
    """Returns at most `limit` bytes of a regular file; None if `path` is no regular file, a link, or cannot be read."""
    file = open_regular(path)
    if file is None:
        return None
    with file:
        try:
            return file.read(limit)
        except OSError:
            return None


def remove_tree(path: Path) -> bool:
    """Removes `path` with all that lies in it, whatever its permissions and depth. Returns whether it is gone.

    Raises nothing: what cannot be removed is left.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)  # noqa: PTH108
            return True
        with suppress(OSError):
            os.chmod(path, stat.S_IRWXU)  # noqa: PTH101
        current = os.open(path, _OPEN_FOLDER)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    names: list[str] = []
    waiting = [_remove_files(current)]
    above: list[tuple[int, int]] = []
    try:
        while True:
            if waiting[-1]:
                name = waiting[-1].pop()
                below = _enter(current, name)
                if below is not None:
                    facts = os.fstat(current)
                    above.append((facts.st_dev, facts.st_ino))
                    os.close(current)
                    current = below
                    names.append(name)
                    waiting.append(_remove_files(current))
                continue
            if not names:
                break
            parent = os.open("..", _OPEN_FOLDER, dir_fd=current)
            os.close(current)
            current = parent
            facts = os.fstat(current)
            if (facts.st_dev, facts.st_ino) != above.pop():
                return False  # Somebody moved a folder meanwhile: what is above it now is not ours to remove.
            waiting.pop()
            with suppress(OSError):
                os.rmdir(names.pop(), dir_fd=current)
    except OSError:
        return False
    finally:
        os.close(current)
    with suppress(OSError):
        os.rmdir(path)  # noqa: PTH106
    return not os.path.lexists(path)


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yields every file and folder below `folder` with its path in it and its facts; what vanishes is left out.

    Raises OSError (ENAMETOOLONG) if folders are nested deeper than MAX_WALK_DEPTH times 2,000 bytes of path.
    """
    for name, facts, _, _ in _entries(folder):
        yield name, facts


def strip_set_id(folder: Path) -> None:
    """Takes the setuid and setgid bits from every file below `folder`: nothing that a run made runs as its owner."""
    with suppress(OSError):
        for _, facts, parent, name in _entries(folder):
            if stat.S_ISREG(facts.st_mode) and facts.st_mode & _SET_ID_BITS:
                with suppress(OSError):
                    os.chmod(name, stat.S_IMODE(facts.st_mode) & ~_SET_ID_BITS, dir_fd=parent)


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result, int, str]]:
    """Yields (path in `folder`, facts, an open descriptor of its folder, name) of everything below."""
    bases: list[int] = []
    try:
        bases.append(os.open(folder, _OPEN_FOLDER))
    except OSError:
        return
    ahead = [(bases[0], ".", "")]
    try:
        while ahead:
            base, path, shown = ahead.pop()
            try:
                here = os.open(path, _OPEN_FOLDER, dir_fd=base)
            except OSError:
                continue
            try:
                kept = len(os.fsencode(path)) > _PATH_PART_BYTES
                if kept and len(bases) > MAX_WALK_DEPTH:
                    raise OSError(errno.ENAMETOOLONG, f"folders are nested too deep: {shown[:80]}...")
                if kept:
                    base, path = os.dup(here), "."
                    bases.append(base)
                for entry in os.scandir(here):
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    name = f"{shown}{entry.name}"
                    if stat.S_ISDIR(facts.st_mode):
                        ahead.append((base, f"{path}/{entry.name}", f"{name}/"))
                    yield name, facts, here, entry.name
            finally:
                os.close(here)
    finally:
        for base in bases:
            os.close(base)


def _remove_files(folder: int) -> list[str]:
    """Removes what is no folder from an open one, and empty folders. Returns the names of the other folders."""
    left = []
    for entry in list(os.scandir(folder)):
        try:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
        except OSError:
            continue
        try:
            os.rmdir(entry.name, dir_fd=folder)
        except OSError:
            left.append(entry.name)
    return left


def _enter(folder: int, name: str) -> int | None:
    """Opens a folder in an open one, giving it the permissions to be emptied first; None if that cannot be."""
    with suppress(OSError):
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)
    try:
        return os.open(name, _OPEN_FOLDER, dir_fd=folder)
    except OSError:
        return None
