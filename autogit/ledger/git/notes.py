"""Notes: the text on each commit under one notes ref, edited in place however git has fanned the tree out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from autogit.ledger.git.objects import FILE, Entry, ObjectStore, Tree, edit

RECORDS = "refs/notes/commits"
LOGS = "refs/notes/autogit/logs"
CURVES = "refs/notes/autogit/curves"
ALL = (LOGS, CURVES, RECORDS)
"""In the order in which a transaction moves them: a record that is there has its logs and curves."""


class Merge(Protocol):
    """Makes one text of two that are on the same commit, and were `base` when the sides last met (empty: never)."""

    def __call__(self, ours: str, theirs: str, base: str) -> str: ...


def get(store: ObjectStore, root: str | None, commit: str) -> str:
    """The note of a commit, empty where it has none."""
    found = list(_places(store, root, commit.encode())) if root else []
    return "\n\n".join(decode(store.read(id, "blob")) for _, id in found)


def put(store: ObjectStore, root: str | None, texts: Mapping[str, str]) -> str | None:
    """The notes tree with texts on commits; an empty one takes the note away. Reads only the way to each."""
    changes: dict[bytes, Entry | None] = {}
    for commit, text in texts.items():
        name = commit.encode()
        found = [path for path, _ in _places(store, root, name)] if root else []
        # Git reads any fan-out, also a mixed one. One level keeps each tree small up to some ten thousand notes.
        place = found[0] if found else name[:2] + b"/" + name[2:]
        changes |= dict.fromkeys(found)
        changes[place] = Entry(FILE, store.add("blob", text.encode())) if text else None
    return edit(store, root, changes)


def blobs(store: ObjectStore, root: str | None) -> dict[str, list[str]]:
    """Every annotated commit with the ids of its note's parts, without reading the notes themselves."""
    parts: dict[str, list[str]] = {}
    for commit, id in _all(store, root):
        parts.setdefault(commit, []).append(id)
    return parts


def merge(store: ObjectStore, ours: str | None, theirs: str | None, base: str | None, join: Merge) -> str | None:
    """Returns a notes tree with the notes of both; if both have changed one since `base`, `join` makes one of them."""
    mine, other, before = blobs(store, ours), blobs(store, theirs), blobs(store, base)
    differ = [commit for commit in other if other[commit] not in (mine.get(commit), before.get(commit))]
    texts = {c: join(get(store, ours, c), get(store, theirs, c), get(store, base, c)) for c in differ}
    return put(store, ours, texts) if differ else ours


def decode(body: bytes) -> str:
    """A note's text; a person may have written it in any encoding."""
    return body.decode("utf-8", "replace")


def _places(store: ObjectStore, root: str | None, name: bytes, prefix: bytes = b"") -> Iterator[tuple[bytes, str]]:
    """Where in the tree the note of `name` is: flat, or below folders of two digits each."""
    tree = store.tree(root) if root else {}
    entry = tree.get(name)
    if entry is not None and not entry.is_folder:
        yield prefix + name, entry.id
    below = tree.get(name[:2])
    if below is not None and below.is_folder:
        yield from _places(store, below.id, name[2:], prefix + name[:2] + b"/")


def _all(store: ObjectStore, root: str | None) -> Iterator[tuple[str, str]]:
    """(commit, blob) of every note, folders of one level read together."""
    level: list[tuple[bytes, str]] = [(b"", root)] if root else []
    while level:
        deeper: list[tuple[bytes, str]] = []
        for (prefix, _), tree in zip(level, _trees(store, [id for _, id in level]), strict=True):
            for name, entry in tree.items():
                if entry.is_folder:
                    deeper.append((prefix + name, entry.id))
                elif len(prefix) + len(name) == 2 * store.id_bytes:
                    yield (prefix + name).decode("ascii", "replace"), entry.id
        level = deeper


def _trees(store: ObjectStore, ids: list[str]) -> Iterator[Tree]:
    for found in store.find_all(ids):
        yield store.parse_tree(found.body) if found is not None else {}
