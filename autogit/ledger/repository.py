"""The repository as the parts of the ledger share it, the one way in which they write to it, and how it stays small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger import attachments
from autogit.ledger.annotations import Annotations
from autogit.ledger.follow_main import Following
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.program import Git
from autogit.ledger.git.refs import Move, RefMovedError, Refs, WriteLock
from autogit.records import Record

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


LOOSE_FOLDER_LIMIT = 24
"""Files in one of the 256 folders of loose objects from which on they are packed: about 6,000 in all."""


class Housekeeping:
    """Of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @property
    def due(self) -> bool:
        """Whether so much is loose that packing pays. Costs one look into a folder."""
        sample = self._repository.git.directory / "objects" / "17"
        return sample.is_dir() and sum(1 for _ in sample.iterdir()) > LOOSE_FOLDER_LIMIT

    def pack(self) -> None:
        """Packs loose objects, and packs of similar size into one, so that it costs the same however old the lab is."""
        with self._repository.lock:
            self._repository.git.run("repack", "-d", "-q", "--geometric=2", pass_fds=[self._repository.lock.descriptor])
            self._repository.refs.pack()

    def forget(self, records: list[Record]) -> list[Move]:
        """The moves that drop the logs and curves of these trials, with all earlier versions of those notes."""
        return [move for ref in (notes.LOGS, notes.CURVES) for move in self._forget(ref, records)]

    def _forget(self, ref: str, records: list[Record]) -> list[Move]:
        store, old = self._repository.store, self._repository.refs.get(ref)
        if old is None:
            return []
        tree = self._repository.tree(old)
        kept: dict[str, attachments.Parts] = {}
        for record in records:
            commit = record.trial.commit
            parts = kept.setdefault(commit, attachments.parse(notes.get(store, tree, commit)))
            parts.pop(record.id, None)
        root = notes.put(store, tree, {commit: attachments.format(parts) for commit, parts in kept.items()})
        new = commits.add(store, root or store.add_tree({}), [], f"Forget {len(records)} logs\n")
        return [Move(ref, old, new)]
