"""Keeps `.git` small: objects and refs are packed between trials; old logs go when the person asks."""

from __future__ import annotations

from autogit.ledger import attachments
from autogit.ledger.git import commits, notes
from autogit.ledger.git.refs import Move
from autogit.ledger.repository import Repository
from autogit.records import Record

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
