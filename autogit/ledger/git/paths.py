"""Slash-separated paths below a root tree: found, walked, compared, put in and taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.tree import FOLDER, Entry


def edit(store: ObjectStore, root: str | None, changes: Mapping[bytes, Entry | None]) -> str | None:
    """A new tree: `root` with the entries at slash-separated paths put in, or taken out where None.

    Only the trees on the way are read and written. None where nothing is left.
    """
    tree = store.tree(root) if root else {}
    deeper: dict[bytes, dict[bytes, Entry | None]] = {}
    for path, entry in changes.items():
        head, slash, rest = path.partition(b"/")
        if slash:
            deeper.setdefault(head, {})[rest] = entry
        elif entry is None:
            tree.pop(head, None)
        else:
            tree[head] = entry
    for head, inner in deeper.items():
        below = tree.get(head)
        id = edit(store, below.id if below is not None and below.is_folder else None, inner)
        if id is None:
            tree.pop(head, None)
        else:
            tree[head] = Entry(FOLDER, id)
    return store.add_tree(tree) if tree else None


def lookup(store: ObjectStore, root: str, path: bytes) -> Entry | None:
    """The entry at a slash-separated path; None where there is none."""
    head, slash, rest = path.partition(b"/")
    entry = store.tree(root).get(head)
    if not slash or entry is None:
        return entry
    return lookup(store, entry.id, rest) if entry.is_folder else None


def walk(store: ObjectStore, root: str, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
    """Every entry that is not a folder, with its path, in git's order."""
    for name, entry in store.tree(root).items():
        if entry.is_folder:
            yield from walk(store, entry.id, prefix + name + b"/")
        else:
            yield prefix + name, entry


def changed(store: ObjectStore, old: str | None, new: str | None, prefix: bytes = b"") -> Iterator[
    tuple[bytes, Entry | None, Entry | None]
]:  # fmt: skip
    """Paths in which two trees differ, with both entries; equal folders are not read."""
    before = store.tree(old) if old else {}
    after = store.tree(new) if new else {}
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        if a == b:
            continue
        folder_a, folder_b = a is not None and a.is_folder, b is not None and b.is_folder
        if folder_a or folder_b:
            inner = (a.id if a and folder_a else None, b.id if b and folder_b else None)
            yield from changed(store, *inner, prefix + name + b"/")
        leaf_a, leaf_b = None if folder_a else a, None if folder_b else b
        if leaf_a is not None or leaf_b is not None:
            yield prefix + name, leaf_a, leaf_b
