"""Commits and tags of autogit's own, as objects."""

from __future__ import annotations

import time
from dataclasses import dataclass

from autogit.errors import WorkspaceError
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.program import EMAIL, NAME


@dataclass(frozen=True, slots=True)
class Commit:
    """What autogit reads of a commit."""

    tree: str
    parents: tuple[str, ...]
    message: str


def read(store: ObjectStore, id: str) -> Commit:
    """The commit of this id. Raises WorkspaceError."""
    return parse(store.read(id, "commit"))


def parse(body: bytes) -> Commit:
    """A commit object's tree, parents and message."""
    head, _, message = body.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n")]
    parents = tuple(line[1].decode() for line in lines if line[0] == b"parent")
    return Commit(lines[0][1].decode(), parents, message.decode("utf-8", "replace"))


def add(store: ObjectStore, tree: str, parents: list[str], message: str) -> str:
    """A new commit, signed by autogit."""
    lines = [f"tree {tree}", *(f"parent {p}" for p in parents), f"author {_who()}", f"committer {_who()}", "", message]
    return store.add("commit", "\n".join(lines).encode())


def add_tag(store: ObjectStore, commit: str, name: str, message: str) -> str:
    """A new annotated tag on a commit."""
    lines = [f"object {commit}", "type commit", f"tag {name}", f"tagger {_who()}", "", message]
    return store.add("tag", ("\n".join(lines).rstrip("\n") + "\n").encode())


def _who() -> str:
    return f"{NAME} <{EMAIL}> {int(time.time())} +0000"


def resolve(store: ObjectStore, name: str) -> str:
    """The id of the commit that a ref or an id names. Raises WorkspaceError."""
    found = store.find(name)
    if found is None or found.kind != "commit":
        raise WorkspaceError(f"{name} is no commit of this repository")
    return found.id
