"""Refs: read at once, changed several together with their old values given, under locks that die with their owner."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from autogit.errors import LabBusyError, WorkspaceError
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.program import Git, GitFailedError


class Journal:
    """One such note. Written and cleared only under the write lock: where it is found under it, its writer is dead."""

    def __init__(self, path: Path, lost: Any = None) -> None:
        """`lost`: what is read where a power cut has left the file and taken its content."""
        self._path = path
        self._lost = lost

    def note(self, facts: Any) -> None:
        """Writes it whole or not at all; `facts` is anything that JSON holds."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(facts))
        fresh.replace(self._path)

    def read(self) -> Any:
        """The facts; None where nothing was begun."""
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return self._lost

    def clear(self) -> None:
        """It is done."""
        self._path.unlink(missing_ok=True)


class WriteLock:
    """Held for the milliseconds in which refs are changed, by one thread of one process. Can be entered again.

    The git that moves the refs inherits it: as long as anybody who writes is alive, nobody else is let in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._file = -1

    @property
    def descriptor(self) -> int:
        """To be passed on to a child that writes."""
        return self._file

    def __enter__(self) -> WriteLock:
        self._lock.acquire()
        if self._depth == 0:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            os.close(self._file)
            self._file = -1
        self._lock.release()


@contextmanager
def lab_lock(path: Path) -> Iterator[None]:
    """Held by the one loop that may run on a lab. Raises LabBusyError, which says who holds it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 4096, 0).decode("utf-8", "replace").strip() or "of unknown name"
            raise LabBusyError(
                f"another loop runs on this lab: process {owner}; wait for it or stop it (Ctrl-C there)"
            ) from None
        os.ftruncate(file, 0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        os.pwrite(file, f"{os.getpid()} ({Path(sys.argv[0]).name}), since {started}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def lock_owner(path: Path) -> int | None:
    """The process that holds a lab's lock; None where nobody does."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(file, 4096, 0).decode("utf-8", "replace").partition(" ")[0]
        return int(pid) if pid.isdecimal() else None
    finally:
        os.close(file)
    return None


EVERY = "*"
"""In an intent: all refs."""
_PATIENCE = 2.0
"""Seconds that another git's lock is waited for: it holds one for milliseconds."""

_LOCKED = ("File exists", "data is locked", "cannot lock references")
"""What git says if another one holds a lock: on a ref's file, or on the table of all refs."""

_BRIEFLY = 0.3
"""Seconds after which a lock that a dead transaction can have left is taken for its."""


@dataclass(frozen=True, slots=True)
class Move:
    """One ref from `old` to `new`; None on either side: it is not there."""

    ref: str
    old: str | None
    new: str | None


class RefMovedError(WorkspaceError):
    """A ref was not where a transaction expected it; nothing was changed."""


def unnoticed(point: str) -> None:
    """The default of a ledger's `trace`: nobody listens."""


class Refs:
    """The refs of one repository."""

    def __init__(self, git: Git, store: ObjectStore, lock: WriteLock, trace: Callable[[str], None] = unnoticed) -> None:
        self._git = git
        self._store = store
        self._lock = lock
        self._intent = Journal(lock.path.with_name("transaction.json"), lost=[EVERY])
        self._trace = trace

    def get(self, ref: str) -> str | None:
        """The object that a full ref name points to now."""
        found = self._store.find(ref)
        return None if found is None else found.id

    def list(self, *prefixes: str) -> dict[str, str]:
        """Every ref below the prefixes (which end in a slash, or name one ref), with its object."""
        lines = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *prefixes).decode()
        return {ref: id for id, ref in (line.split(" ", 1) for line in lines.splitlines())}

    def move(self, moves: Sequence[Move]) -> None:
        """All the moves or none, in the order given, deletions last. Raises RefMovedError, WorkspaceError.

        Git's files are not changed in one instant: after a crash any first part of the order can be done.
        """
        moves = [move for move in moves if move.old != move.new]
        if not moves:
            return
        with self._lock:
            self._store.flush()
            self._trace("objects written")
            # Whoever comes after a crash knows from this which locks nobody holds any more.
            self._intent.note([move.ref for move in moves])
            self._trace("intent written")
            self._transact(moves)
            if not self._git.reftable:
                self._store.sync(self._git.directory / move.ref for move in moves if move.new)
            self._trace("refs moved")
            self._intent.clear()
            self._trace("intent removed")

    def pack(self) -> None:
        """Packs all refs into one file."""
        with self._lock:
            self._intent.note([EVERY])
            self._trace("packing intended")
            self._git.run("pack-refs", "--all", pass_fds=[self._lock.descriptor])
            self._trace("refs packed")
            self._intent.clear()

    def clear_stale_locks(self) -> None:
        """Removes the locks that a transaction left when it was killed. Nobody's but our own."""
        if not self._intent.read():
            return
        with self._lock:
            refs = self._intent.read() or []
            locks = [self._git.directory / f"{ref}.lock" for ref in [*refs, "HEAD", "packed-refs"] if refs]
            if EVERY in refs:
                locks += (self._git.directory / "refs").rglob("*.lock")
            if self._git.reftable:
                # One lock for all refs, and one for each table that is being rewritten.
                locks += (self._git.directory / "reftable").glob("*.lock")
            _remove_stale(locks)
            (self._git.directory / "packed-refs.new").unlink(missing_ok=True)
            self._intent.clear()

    def _transact(self, moves: Sequence[Move]) -> None:
        lines = [b"start"]
        for move in moves:
            old = (move.old or self._git.no_id).encode()
            if move.new is None:
                lines.append(b"delete %s\0%s" % (move.ref.encode(), old))
            else:
                lines.append(b"update %s\0%s\0%s" % (move.ref.encode(), move.new.encode(), old))
        script = b"\0".join([*lines, b"prepare", b"commit", b""])
        deadline = time.monotonic() + _PATIENCE
        # Each ref's file is handed to the disk before its name; that it is there is waited for once, for all of them.
        settings = [] if self._git.reftable else ["-c", "core.fsyncMethod=writeout-only"]
        while True:
            try:
                self._git.run(*settings, "update-ref", "-z", "--stdin", input=script,
                              pass_fds=[self._lock.descriptor])  # fmt: skip
                return
            except GitFailedError as error:
                if any(self.get(move.ref) != move.old for move in moves):
                    raise RefMovedError(f"a ref moved meanwhile: {error.stderr.strip()}") from None
                if not any(word in error.stderr for word in _LOCKED) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _remove_stale(locks: Sequence[Path]) -> None:
    """A person's git may have taken the same lock since; it gives it back by itself."""
    deadline = time.monotonic() + _BRIEFLY
    while time.monotonic() < deadline and any(path.exists() for path in locks):
        time.sleep(0.02)
    for path in locks:
        path.unlink(missing_ok=True)
