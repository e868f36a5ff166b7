"""Git LFS without git-lfs: a checkout's pointers become the files that they stand for, from this clone's own store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger.git.program import Git

_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_LARGEST = 1024
"""Bytes of a pointer, at most, by LFS's own specification."""


def pointer(body: bytes) -> str | None:
    """The SHA-256 of the file that a pointer stands for, None for any other content."""
    match = _POINTER.match(body) if len(body) < _LARGEST else None
    return None if match is None else match[1].decode()


def materialise(git: Git, folder: Path, where: Mapping[str, str]) -> None:
    """Puts the files in place of their pointers. Raises WorkspaceError for one that was never fetched."""
    attributes = folder / ".gitattributes"
    inner = (p for p in folder.rglob(".gitattributes")) if not attributes.exists() else iter([attributes])
    if not any(b"filter=lfs" in path.read_bytes() for path in inner if path.is_file() and not path.is_symlink()):
        return
    names = git.run("ls-files", "-z", ":(attr:filter=lfs)", variables=where, cwd=folder).split(b"\0")
    for name in filter(None, names):
        path = folder / name.decode("utf-8", "surrogateescape")
        oid = pointer(path.read_bytes()) if path.is_file() and path.stat().st_size < _LARGEST else None
        if oid is None:
            continue
        source = git.directory / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
        if not source.exists():
            raise WorkspaceError(
                f"{path.relative_to(folder)} is an LFS file that is not in this clone; run: git lfs fetch --all"
            )
        path.unlink()
        shutil.copyfile(source, path)
