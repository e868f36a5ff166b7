"""The repository as the parts of the ledger share it, and the one way in which they write to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger.annotations import Annotations
from autogit.ledger.following import Following
from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.program import Git
from autogit.ledger.git.refs import Move, RefMovedError, Refs, WriteLock

_TRIES = 50
"""How often a write is made anew because another git moved a ref; each failure means that someone else got on."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Its objects, refs, notes and lock. All of it can be used from several threads and processes at once."""

    git: Git
    store: ObjectStore
    lock: WriteLock
    refs: Refs
    notes: Annotations
    following: Following
    branch: str
    """The full name of the ref that receives accepted changes."""
    trace: Callable[[str], None]
    """Hears the name of each step of a write."""

    @classmethod
    def of(cls, git: Git, branch: str, trace: Callable[[str], None]) -> Repository:
        """With one object of each kind."""
        store, lock = ObjectStore(git), WriteLock(private(git) / "write.lock")
        refs = Refs(git, store, lock, trace)
        following = Following(git, store, branch, lock, trace)
        return cls(git, store, lock, refs, Annotations(store, refs), following, branch, trace)

    @property
    def private(self) -> Path:
        """The lab's folder outside git: checkouts, kept output, locks."""
        return private(self.git)

    def tip(self) -> str:
        """The commit at the tip of `main`. Raises WorkspaceError where the branch is gone."""
        return commits.resolve(self.store, self.branch)

    def tree(self, commit: str) -> str:
        """The root tree of a commit. Raises WorkspaceError."""
        return commits.read(self.store, commit).tree

    def write(self, moves: Callable[[], list[Move]]) -> list[str]:
        """Makes the moves that `moves` finds to be due, anew where another git came first; then files follow `main`.

        Returns what the person has to know about their files.
        """
        with self.lock:
            for _ in range(_TRIES):
                due = moves()
                step = next((m for m in due if m.ref == self.branch and m.old and m.new), None)
                if step is not None:
                    self.following.expect(str(step.old))
                try:
                    self.refs.move(due)
                except RefMovedError:
                    continue
                return self.following.follow()
        raise WorkspaceError("another program keeps changing this repository's refs; stop it and try again")


def private(git: Git) -> Path:
    """The folder in a repository that is autogit's own."""
    return git.directory / "autogit"
