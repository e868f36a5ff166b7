"""The data that git ignores and training reads, laid out in a checkout at the place where the code looks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from autogit.config.model import FILENAME
from autogit.errors import WorkspaceError

MAX_LINK_TARGETS = 64
"""Files outside of the data that links in it lead to and that are shown one by one; more are shown by their folder."""
MAX_LEVELS_ABOVE = 2
"""Folders above a checkout that data may lie in: those are autogit's own, and nobody else's."""


def sources(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Returns where the data of `train.data` really is, seen from the person's workspace folder.

    Raises WorkspaceError if something is not there.
    """
    found = []
    for name in names:
        source = Path(os.path.normpath(folder / name)).resolve()
        if not source.exists():
            raise WorkspaceError(f"train.data names {name}, but {source} does not exist; make it first")
        found.append(source)
    return tuple(found)


def lay_out(checkout: Path, folder: Path, names: Sequence[str], found: Sequence[Path]) -> tuple[Path, ...]:
    """Puts links to the data `found` into a checkout; returns all that has to be readable for them.

    `folder` is the workspace folder in the checkout. What the commit itself has at the same place stays: an empty
    folder (git makes one for a submodule) gives way, in another one only what is missing is added. Raises
    WorkspaceError if a path cannot be shown to a run.
    """
    readable = list(found)
    for name, source in zip(names, found, strict=True):
        place = Path(os.path.normpath(folder / name))
        if not place.is_relative_to(checkout):
            _check_above(name, place, source, checkout)
            readable.append(place)
        _link(place, source)
        readable += _beyond(name, source)
    return tuple(dict.fromkeys(readable))


def _link(place: Path, source: Path) -> None:
    """Makes `place` show what is in `source`, and keeps what is there."""
    if place.is_symlink():
        if place.readlink() == source:
            return
        place.unlink()
    if place.is_dir() and source.is_dir():
        if any(place.iterdir()):
            for inner in source.iterdir():
                _link_missing(place / inner.name, inner)
            return
        place.rmdir()
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


def _link_missing(place: Path, source: Path) -> None:
    """Links what the commit does not have; a file or a link that it has is the commit's."""
    if not place.exists() and not place.is_symlink():
        place.symlink_to(source)
    elif place.is_dir() and not place.is_symlink() and source.is_dir():
        _link(place, source)


def _check_above(name: str, place: Path, source: Path, checkout: Path) -> None:
    """Raises WorkspaceError if a path that leaves the checkout has no place beside it."""
    above = place.parent
    levels = len(checkout.parts) - len(Path(os.path.commonpath([above, checkout])).parts)
    if levels > MAX_LEVELS_ABOVE or (place.exists() and not place.is_symlink()):
        raise WorkspaceError(
            f'{FILENAME}: train.data = "{name}" lies too far above the repository to be shown at the same place; name '
            f'it absolutely in the code and open it: [sandbox] read = ["{source}"]'
        )


def _beyond(name: str, source: Path) -> list[Path]:
    """Returns what the links in `source` lead to outside of it: a store of large files, a cache."""
    targets = {target for target in _targets(source) if target.exists() and not target.is_relative_to(source)}
    if len(targets) <= MAX_LINK_TARGETS:
        return sorted(targets)
    common = Path(os.path.commonpath(targets))
    if Path.home().is_relative_to(common) or len(common.parts) < 3:
        raise WorkspaceError(
            f"the links in {name} lead to {len(targets)} files all over {common}; say which folders a run may read: "
            f'[sandbox] read = ["/..."] in {FILENAME}'
        )
    return [common]


def _targets(folder: Path) -> Iterator[Path]:
    """Where the links in a folder lead, links to links followed to their end."""
    ahead = [folder] if folder.is_dir() else []
    while ahead:
        with os.scandir(ahead.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path).resolve()
                elif entry.is_dir(follow_symlinks=False):
                    ahead.append(Path(entry.path))
