"""Applies the change of a trial, as a diff or onto other commits, without any checkout."""

from __future__ import annotations

import tempfile
from pathlib import Path

from autogit.ledger.git.objects import Entry, ObjectStore, changed, edit, lookup
from autogit.ledger.git.program import Git, GitFailedError

Change = tuple[str, str]
"""The trees before and after."""


class Merger:
    """Applies the step from one tree to another to a third one."""

    def __init__(self, git: Git, store: ObjectStore) -> None:
        self._git = git
        self._store = store

    def apply(self, change: Change, onto: str) -> str | None:
        """The tree `onto` with the change made to it; None where it conflicts."""
        edits: dict[bytes, Entry | None] = {}
        for path, old, new in changed(self._store, *change):
            there = lookup(self._store, onto, path)
            if there == new:
                continue
            if there == old:
                edits[path] = new
                continue
            if old is None or new is None or there is None or len({old.mode, new.mode, there.mode}) > 1:
                return None
            merged = self._merge(old, there, new)
            if merged is None:
                return None
            edits[path] = merged
        return (edit(self._store, onto, edits) or self._store.add_tree({})) if edits else onto

    def diff(self, old: str, new: str) -> str:
        """The unified diff from one tree to another."""
        self._store.flush()
        settings = ["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "-U3", "--diff-algorithm=myers"]
        said = self._git.run(
            "-c", "core.quotePath=false", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
            "diff-tree", "-r", "-p", *settings, old, new,
        )  # fmt: skip
        return said.decode("utf-8", "surrogateescape")

    def _merge(self, base: Entry, ours: Entry, theirs: Entry) -> Entry | None:
        with tempfile.TemporaryDirectory(prefix="autogit-") as folder:
            files = [str(Path(folder) / name) for name in ("ours", "base", "theirs")]
            for file, entry in zip(files, (ours, base, theirs), strict=True):
                Path(file).write_bytes(self._store.read(entry.id, "blob"))
            try:
                self._git.run("merge-file", "-q", *files)
            except GitFailedError:
                return None  # conflicts, or no text
            return Entry(ours.mode, self._store.add("blob", Path(files[0]).read_bytes()))
