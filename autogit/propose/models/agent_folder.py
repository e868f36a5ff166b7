"""The throwaway copy of the files that an agent works in, and what it has made of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from autogit.diff import unified
from autogit.errors import PatchError
from autogit.propose.models.prompt_quote import inline

BRIEFING = "AUTOGIT_BRIEFING.md"
WORDS = "AUTOGIT_PROPOSAL.md"
"""Where an agent says what it has done and why."""
_OWN = frozenset({BRIEFING, WORDS, ".git"})
"""At the top of the folder: ours, and the history that some agents keep for themselves."""

Seen = Mapping[str, str]
"""What a folder holds: path -> what tells two contents apart."""


def seen(folder: Path) -> Seen:
    """Every file but our own, and none of Python's caches."""
    return {path: _identity(folder / path) for path in _paths(folder)}


def difference(folder: Path, before: Seen, files: Mapping[str, str]) -> str:
    """The unified diff from the editable `files` to what is in the folder now.

    Raises PatchError for a change that such a diff cannot tell, or of a file that is not editable: a proposal is all
    that an agent has done, never a part of it.
    """
    now = seen(folder)
    changed = [path for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    after: dict[str, str | None] = {}
    for path in changed:
        if path in before and path not in files:
            raise PatchError(f"the agent changed {inline(path)}, which is not editable")
        after[path] = _text(folder / path, path) if path in now else None
    return unified(files, after)


def words(folder: Path) -> str:
    """What the agent wrote of its proposal; empty where it did not."""
    try:
        return (folder / WORDS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _text(file: Path, path: str) -> str:
    if file.is_symlink() or not file.is_file():
        raise PatchError(f"the agent made {inline(path)} something else than a plain file")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise PatchError(f"the agent made {inline(path)}, which is no text") from None


def _paths(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        top = Path(place) == folder
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [
            name for name in folders if name not in links and name != "__pycache__" and not (top and name in _OWN)
        ]
        for name in (*files, *links):
            if not (top and name in _OWN):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _identity(file: Path) -> str:
    if file.is_symlink():
        return f"link to {file.readlink()}"
    if not file.is_file():
        return "neither file nor link"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
