"""What is written on commits: records, logs and curves, and the named texts that the lab keeps beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from autogit.config.load import hash_of
from autogit.ledger import attachments, note
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import FILE, Entry, ObjectStore, edit, walk
from autogit.ledger.git.refs import Move, Refs
from autogit.records import Record

CONFIG = "config"
"""The shelf of configurations, each under its hash."""
MAX_SHELVED = 1 << 22
"""Characters of a text on a shelf."""


def genuine(shelf: str, name: str, text: str) -> bool:
    """Whether a text may stand under its name: a configuration only under its own hash, whoever put it there."""
    return len(text) <= MAX_SHELVED and (shelf != CONFIG or name == hash_of(text))


class Annotations:
    """Reads notes and prepares the moves that change them; the caller makes the moves."""

    def __init__(self, store: ObjectStore, refs: Refs) -> None:
        self._store = store
        self._refs = refs

    def records(self, ref: str = notes.RECORDS) -> Iterator[Record]:
        """Every record of every note, in no order; `ref` can also be a commit. What is no record is left out."""
        return (one for _, (records, _) in self._read(ref) for one in records)

    def bad(self, ref: str = notes.RECORDS) -> list[str]:
        """Names every part of a note that is no record, and says why."""
        return [f"a record on {c[:12]} is left out: {one.why}" for c, (_, bad) in self._read(ref) for one in bad]

    def _read(self, ref: str) -> Iterator[tuple[str, tuple[list[Record], list[note.Bad]]]]:
        """(commit, what its note holds) for every note."""
        parts = notes.blobs(self._store, self._root(ref)[1])
        commits_of = [commit for commit, ids in parts.items() for _ in ids]
        bodies = self._store.find_all([id for ids in parts.values() for id in ids])
        for commit, found in zip(commits_of, bodies, strict=True):
            if found is not None:
                yield commit, note.read(notes.decode(found.body), commit)

    def on(self, commit: str) -> list[Record]:
        """The records on one commit."""
        return note.parse(self._text(notes.RECORDS, commit), commit)

    def part(self, ref: str, commit: str, trial: str) -> str:
        """The text of one trial in the log or curve note of its commit."""
        return attachments.parse(self._text(ref, commit)).get(trial, "")

    def set_record(self, commit: str, trial: str, record: Record | None) -> Move:
        """The move that puts a record in place of the one of the same trial, or takes it away."""

        def change(text: str) -> str:
            records = {r.id: r for r in note.parse(text, commit)}
            records.pop(trial, None)
            return note.write(text, [*records.values(), *([record] if record else [])])

        return self._change(notes.RECORDS, commit, change, f"{trial}: {record.verdict if record else 'open again'}")

    def set_records(self, records: Sequence[Record]) -> Move:
        """Returns the move that puts records in place of those of the same trials."""
        old, root = self._root(notes.RECORDS)
        texts: dict[str, str] = {}
        for record in records:
            commit = record.trial.commit
            text = texts.get(commit, notes.get(self._store, root, commit))
            found = {r.id: r for r in note.parse(text, commit)} | {record.id: record}
            texts[commit] = note.write(text, [*found.values()])
        message = ", ".join(f"{record.id}: {record.verdict}" for record in records)
        return self._moved(notes.RECORDS, old, root, notes.put(self._store, root, texts), message)

    def set_part(self, ref: str, commit: str, trial: str, text: str) -> Move:
        """The move that sets one trial's text in a log or curve note; an empty text takes it away."""

        def change(whole: str) -> str:
            parts = attachments.parse(whole)
            parts.pop(trial, None)
            return attachments.format(parts | ({trial: text} if text else {}))

        return self._change(ref, commit, change, trial)

    def texts(self, shelf: str) -> Mapping[str, str]:
        """The named texts under `refs/autogit/SHELF`."""
        tree = self._root(f"refs/autogit/{shelf}")[1]
        if tree is None:
            return {}
        found = ((name, self._store.find(entry.id)) for name, entry in walk(self._store, tree))
        texts = {notes.decode(name): notes.decode(one.body) for name, one in found if one and one.kind == "blob"}
        return {name: text for name, text in texts.items() if genuine(shelf, name, text)}

    def is_genuine(self, shelf: str, commit: str) -> bool:
        """Whether every text of a shelf, as it is at `commit`, may stand there."""
        tree = self._root(commit)[1]
        return tree is None or all(self.is_genuine_text(shelf, name, e) for name, e in walk(self._store, tree))

    def is_genuine_text(self, shelf: str, name: bytes, entry: Entry) -> bool:
        """Whether what is under `name` is a text, and may stand there."""
        found = self._store.find(entry.id) if entry.mode == FILE else None
        return (
            found is not None and found.kind == "blob" and genuine(shelf, notes.decode(name), notes.decode(found.body))
        )

    def names(self, shelf: str) -> list[str]:
        """The names of the texts on a shelf."""
        tree = self._root(f"refs/autogit/{shelf}")[1]
        return [] if tree is None else [notes.decode(name) for name, _ in walk(self._store, tree)]

    def set_text(self, shelf: str, name: str, text: str | None) -> Move:
        """The move that puts a text on a shelf, or takes it down."""
        return self.set_texts(shelf, {name: text})

    def set_texts(self, shelf: str, texts: Mapping[str, str | None]) -> Move:
        """The move that puts texts on a shelf, or takes them down (None)."""
        ref = f"refs/autogit/{shelf}"
        old, root = self._root(ref)
        edits = {
            name.encode(): None
            if text is None
            else Entry(FILE, self._store.add("blob", text.encode("utf-8", "replace")))
            for name, text in texts.items()
        }
        return self._moved(ref, old, root, edit(self._store, root, edits), ", ".join(texts))

    def _change(self, ref: str, commit: str, change: Callable[[str], str], message: str) -> Move:
        old, root = self._root(ref)
        before = notes.get(self._store, root, commit)
        after = change(before)
        if after == before:
            return Move(ref, old, old)
        return self._moved(ref, old, root, notes.put(self._store, root, {commit: after}), message)

    def _moved(self, ref: str, old: str | None, root: str | None, new: str | None, message: str) -> Move:
        tree = new or self._store.add_tree({})
        if tree == root:
            return Move(ref, old, old)
        return Move(ref, old, commits.add(self._store, tree, [old] if old else [], f"{message}\n"))

    def _root(self, ref: str) -> tuple[str | None, str | None]:
        found = self._store.find(ref)
        if found is None:
            return None, None
        return found.id, commits.parse(found.body).tree

    def _text(self, ref: str, commit: str) -> str:
        return notes.get(self._store, self._root(ref)[1], commit)
