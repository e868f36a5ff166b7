"""Git objects: read through one `git cat-file` that stays, written as loose objects; trees, edited at paths."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from autogit.errors import WorkspaceError
from autogit.ledger.git.program import Git, neutral

FILE, EXECUTABLE, LINK, FOLDER, MODULE = b"100644", b"100755", b"120000", b"40000", b"160000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree."""

    mode: bytes
    id: str

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER


Tree = dict[bytes, Entry]


def parse_tree(body: bytes, id_bytes: int) -> Tree:
    """Returns the entries of a tree object of a repository whose ids have so many bytes."""
    tree: Tree = {}
    position = 0
    while position < len(body):
        space = body.index(b" ", position)
        end = body.index(b"\0", space)
        tree[body[space + 1 : end]] = Entry(body[position:space], body[end + 1 : end + 1 + id_bytes].hex())
        position = end + 1 + id_bytes
    return tree


def format_tree(tree: Tree) -> bytes:
    """The tree object of `tree`, in git's order: a folder sorts as if its name ended in a slash."""
    names = sorted(tree, key=lambda name: name + b"/" if tree[name].is_folder else name)
    return b"".join(b"%s %s\0" % (tree[name].mode, name) + bytes.fromhex(tree[name].id) for name in names)


T = TypeVar("T")
_REMEMBERED = 4096
"""Trees and commits kept in memory: those of the last trials, and the upper trees of the notes."""
_BATCH = 1000
"""Requests in flight: 50 bytes each, so that they fit a pipe's 64 KiB and neither side can wait for the other."""

_OPEN = 64
"""Files that are open at once: a process may have 1,024, and others may want some."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as git stores it."""

    id: str
    kind: str
    body: bytes


class ObjectStore:
    """Objects of one repository. New ones are readable at once and reach the disk, synced, with `flush`."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._folder = git.directory / "objects"
        self.id_bytes = git.id_bytes
        self._new: dict[str, Object] = {}
        self._recent: OrderedDict[str, Object] = OrderedDict()
        self._batch: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._syncers = ThreadPoolExecutor(8, thread_name_prefix="sync")

    def close(self) -> None:
        """Ends the reading process."""
        with self._lock:
            if self._batch is not None:
                for stream in (self._batch.stdin, self._batch.stdout):
                    if stream is not None:
                        stream.close()
                self._batch.wait()
                self._batch = None

    def find(self, name: str) -> Object | None:
        """What an id or a full ref name stands for, as it is now; None where there is no such thing."""
        return next(iter(self.find_all([name])))

    def find_all(self, names: Iterable[str]) -> Iterator[Object | None]:
        """The same for many, in order, at the cost of a few writes to a pipe."""
        names = list(names)
        for start in range(0, len(names), _BATCH):
            yield from self._ask(names[start : start + _BATCH])

    def read(self, id: str, kind: str) -> bytes:
        """The body of an object that has to be there. Raises WorkspaceError."""
        found = self.find(id)
        if found is None or found.kind != kind:
            raise WorkspaceError(f"the repository lacks the {kind} {id}; look with: git fsck")
        return found.body

    def tree(self, id: str) -> Tree:
        """The entries of a tree."""
        return self.parse_tree(self.read(id, "tree"))

    def parse_tree(self, body: bytes) -> Tree:
        """Returns the entries of a tree object that was read already."""
        return parse_tree(body, self.id_bytes)

    def add(self, kind: str, body: bytes) -> str:
        """Takes in an object; it is on the disk after the next `flush`."""
        id = hashlib.new(self._git.format, b"%s %d\0" % (kind.encode(), len(body)) + body).hexdigest()
        with self._lock:
            self._new[id] = Object(id, kind, body)
            self._remember(self._new[id])
        return id

    def add_tree(self, tree: Tree) -> str:
        return self.add("tree", format_tree(tree))

    def flush(self) -> None:
        """Writes and syncs what is new. Raises WorkspaceError where the disk does not take it."""
        with self._lock:
            try:
                for some in batched(self._new.values()):
                    self._write(some)
            except OSError as error:
                raise WorkspaceError(f"cannot write to {self._folder}: {error.strerror}; nothing was changed") from None
            self._new.clear()

    def sync(self, files: Iterable[Path]) -> None:
        """Waits until other files of the repository are on the disk too, those that are there."""
        for some in batched(file for file in files if file.is_file()):
            opened = [os.open(file, os.O_RDONLY) for file in some]
            list(self._syncers.map(os.fsync, opened))
            for descriptor in opened:
                os.close(descriptor)

    def _write(self, objects: list[Object]) -> None:
        # All are written before the first is synced, and then side by side, so that the file system serves them with
        # few flushes of the disk. The renames need no sync: a journal keeps the order, and the refs are synced later.
        written: list[tuple[int, str, Path]] = []
        for item in objects:
            place = self._folder / item.id[:2] / item.id[2:]
            if place.exists():
                continue
            place.parent.mkdir(exist_ok=True)
            file, name = tempfile.mkstemp(dir=place.parent, prefix="tmp_obj_")
            written.append((file, name, place))
            with open(file, "wb", closefd=False) as stream:
                header = b"%s %d\0" % (item.kind.encode(), len(item.body))
                stream.write(zlib.compress(header + item.body, 1))
        list(self._syncers.map(os.fsync, [file for file, _, _ in written]))
        for file, name, place in written:
            os.fchmod(file, 0o444)
            os.close(file)
            Path(name).rename(place)

    def _ask(self, names: list[str]) -> list[Object | None]:
        with self._lock:
            known = {name: found for name in names if (found := self._new.get(name) or self._recent.get(name))}
            asked = [name for name in names if name not in known]
            for name, found in zip(asked, self._converse(asked) if asked else [], strict=True):
                if found is not None:
                    known[name] = found
                    self._remember(found)
            return [known.get(name) for name in names]

    def _remember(self, found: Object) -> None:
        """Trees and commits are asked for again and again, and what an id stands for never changes."""
        if found.kind in ("tree", "commit"):
            self._recent[found.id] = found
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)

    def _converse(self, names: list[str]) -> list[Object | None]:
        stdin, stdout = self._streams()
        try:
            stdin.write(b"".join(os.fsencode(name) + b"\n" for name in names))
            stdin.flush()
            return [self._answer(stdout) for _ in names]
        except (BrokenPipeError, EOFError):
            self.close()
            raise WorkspaceError("git cat-file ended unexpectedly; look with: git fsck") from None

    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._batch is None or self._batch.poll() is not None:
            self._batch = subprocess.Popen(
                ["git", "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=neutral() | {"GIT_DIR": str(self._git.directory)},
                cwd=self._git.directory,
                # Ctrl-C is for the loop, which still has to read and write after it.
                start_new_session=True,
            )
        assert self._batch.stdin is not None and self._batch.stdout is not None
        return self._batch.stdin, self._batch.stdout

    def _answer(self, stdout: IO[bytes]) -> Object | None:
        words = stdout.readline().split()
        if not words:
            raise EOFError
        if len(words) != 3 or words[-1] in (b"missing", b"ambiguous"):
            return None
        body = stdout.read(int(words[2]))
        stdout.read(1)
        return Object(words[0].decode(), words[1].decode(), body)


def batched(things: Iterable[T]) -> Iterator[list[T]]:
    """As many at a time as may be open at once."""
    left = iter(things)
    while some := list(islice(left, _OPEN)):
        yield some


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
