"""Takes up what another lab has: its notes, texts, tags, archives and `main`, without loss, doubling or overwriting."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from autogit.errors import WorkspaceError
from autogit.ledger import attachments, note
from autogit.ledger.archive import ARCHIVE, archived
from autogit.ledger.ending import BRANCHES, DEAD, TAGS, ending
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import edit, walk
from autogit.ledger.git.program import GitFailedError
from autogit.ledger.git.refs import Journal, Move
from autogit.ledger.numbers import Numbers
from autogit.ledger.repository import Repository
from autogit.records import Record, Verdict

SHELVES = "refs/autogit/"


_JOINS = {notes.RECORDS: note.join, notes.LOGS: attachments.join, notes.CURVES: attachments.join_curves}


class Join(Protocol):
    """Makes one tree of two that were `base` once."""

    def __call__(self, ours: str, theirs: str, base: str | None) -> str | None: ...


class Merge:
    """What has to move here for the refs of the other side, whose objects are already fetched."""

    def __init__(self, repository: Repository, numbers: Numbers, there: Mapping[str, str], trials: bool) -> None:
        """`trials`: whether tags of trials are taken too."""
        self._repository = repository
        self._numbers = numbers
        self._there = there
        self._trials = trials
        self.beaten: list[Record] = []
        """Our accepted trials that the other side's `main` came before, after `make`."""

    def make(self) -> list[str]:
        """Merges; what the person has to know. Raises WorkspaceError, before anything moved, where they have to."""
        journal = _journal(self._repository)
        with self._repository.lock:
            journal.note({"there": dict(self._there), "trials": self._trials})
            try:
                words = self._repository.write(self._moves)
            except WorkspaceError:
                journal.clear()
                raise
            journal.clear()
            return words

    def _moves(self) -> list[Move]:
        main, self.beaten = self._main()
        # In steps: each builds on the notes as the one before has left them.
        self._repository.refs.move([*map(self._notes, notes.ALL), *self._shelves(), *self._archives()])
        for record in self.beaten:
            self._repository.refs.move(self._superseded(record))
        for ref, commit in self._repository.refs.list(BRANCHES).items():
            self._repository.refs.move(self._still_open(ref.removeprefix(BRANCHES), commit))
        return [*self._tags(), *main]

    def _notes(self, ref: str) -> Move:
        join = _JOINS[ref]
        words = "Merge the notes of another lab"
        return self._joined(ref, words, lambda ours, theirs, base: notes.merge(
            self._repository.store, ours, theirs, base, join))  # fmt: skip

    def _shelves(self) -> list[Move]:
        refs = [ref for ref in self._there if ref.startswith(SHELVES) and not ref.startswith(ARCHIVE)]
        return [self._joined(ref, "Merge another lab's texts", partial(self._texts, ref)) for ref in refs]

    def _texts(self, ref: str, ours: str, theirs: str, base: str | None) -> str | None:
        """What a lab has put on a shelf, or taken down, since the other heard of it."""
        store, shelf = self._repository.store, ref.removeprefix(SHELVES)
        before, mine, other = (dict(walk(store, tree)) if tree else {} for tree in (base, ours, theirs))
        strange = [
            name for name, entry in other.items() if not self._repository.notes.is_genuine_text(shelf, name, entry)
        ]
        other |= {name: before[name] for name in strange if name in before}
        for name in strange:
            if name not in before:
                del other[name]
        names = before.keys() | mine.keys() | other.keys()
        return edit(store, None, {n: other.get(n) if mine.get(n) == before.get(n) else mine.get(n) for n in names})

    def _archives(self) -> list[Move]:
        """What others have put away. Nobody but its owner ever changes or removes that."""
        refs = [ref for ref in self._there if ref.startswith(ARCHIVE) and not self._is_own(archived(ref))]
        present = self._repository.refs.list(ARCHIVE)
        return [Move(ref, None, self._there[ref]) for ref in refs if ref not in present]

    def _is_own(self, id: str) -> bool:
        return self._numbers.named and self._numbers.own(id)

    def _main(self) -> tuple[list[Move], list[Record]]:
        repository, branch = self._repository, self._repository.branch
        ours, theirs = repository.tip(), self._there.get(branch)
        if theirs is None or self._contains(ours, theirs):
            return [], []
        if reason := repository.following.blocked():
            raise WorkspaceError(f"{reason}, and it has to move: finish that, then sync again")
        if self._contains(theirs, ours):
            return [Move(branch, ours, theirs)], []
        own = repository.git.run("rev-list", "--reverse", "--no-merges", f"{theirs}..{ours}").decode().split()
        beaten = []
        for commit in own:
            records = [r for r in repository.notes.on(commit) if not r.trial.is_baseline]
            if not records:
                raise WorkspaceError(
                    f"{branch} moved on both sides, here by a commit of your own ({commit[:10]}); "
                    f"merge it yourself, then sync again: git merge {theirs[:10]}"
                )
            beaten += [r for r in records if r.accepted]
        # A merge that comes from their side and keeps its files: a fast-forward for both. Its number is measured here.
        merged = self._commit(repository.tree(theirs), theirs, ours, "Take up the main of another lab")
        return [Move(branch, ours, merged)], beaten

    def _superseded(self, record: Record) -> list[Move]:
        reason = f"beat an older main ({record.reason}); main moved on another machine"
        record = replace(record, verdict=Verdict.SUPERSEDED, reason=reason, closed=_now())
        withdrawn = self._repository.notes.set_record(record.trial.commit, record.id, record)
        return [withdrawn, *(move for move in ending(self._repository, record) if move.ref == DEAD + record.id)]

    def _still_open(self, id: str, commit: str) -> list[Move]:
        """A trial that was opened again here, after the other side had heard of its verdict."""
        annotated = self._repository.notes
        closed = any(record.id == id for record in annotated.on(commit))
        return [annotated.set_record(commit, id, None)] if closed else []

    def _tags(self) -> list[Move]:
        """Tags of closed trials. A dead one's epitaph stays as it is here; one that lives after all loses it."""
        if not self._trials:
            return []
        refs, there = self._repository.refs, self._there
        here, records = refs.list(TAGS, DEAD), self._repository.notes.records()
        moves = []
        for record in records:
            tag, dead = TAGS + record.id, DEAD + record.id
            moves.append(Move(tag, here.get(tag), here.get(tag) or there.get(tag)))
            epitaph = (here.get(dead) or there.get(dead)) if record.verdict.dead else None
            moves.append(Move(dead, here.get(dead), epitaph))
        return moves

    def _joined(self, ref: str, words: str, join: Join) -> Move:
        ours, theirs = self._repository.refs.get(ref), self._there.get(ref)
        if theirs is None or (ours is not None and self._contains(ours, theirs)):
            return Move(ref, ours, ours)
        if ours is None:
            if not self._spoils(ref, theirs):
                return Move(ref, None, theirs)
            store = self._repository.store
            tree = join(store.add_tree({}), self._repository.tree(theirs), None)
            return Move(ref, None, commits.add(store, tree or store.add_tree({}), [theirs], f"{words}\n"))
        if self._contains(theirs, ours) and not self._spoils(ref, theirs):
            return Move(ref, ours, theirs)
        common = self._repository.git.run("merge-base", ours, theirs, ok=(0, 1)).decode().strip()
        base = self._repository.tree(common) if common else None
        tree = join(self._repository.tree(ours), self._repository.tree(theirs), base)
        return Move(ref, ours, self._commit(tree, ours, theirs, words))

    def _spoils(self, ref: str, theirs: str) -> bool:
        """Whether what they have there holds something that must not be taken as it is."""
        annotated = self._repository.notes
        if ref == notes.RECORDS:
            return bool(annotated.bad(theirs))
        return ref.startswith(SHELVES) and not annotated.is_genuine(ref.removeprefix(SHELVES), theirs)

    def _commit(self, tree: str | None, ours: str, theirs: str, words: str) -> str:
        store = self._repository.store
        return commits.add(store, tree or store.add_tree({}), [ours, theirs], f"{words}\n")

    def _contains(self, commit: str, ancestor: str) -> bool:
        try:
            self._repository.git.run("merge-base", "--is-ancestor", ancestor, commit)
        except GitFailedError:
            return False
        return True


def resume(repository: Repository, numbers: Numbers) -> None:
    """Finishes the merge that a killed process has begun: what it needs is here."""
    journal = _journal(repository)
    if journal.read():
        with repository.lock:
            # Where `main` went another way since, the next sync says so.
            with suppress(WorkspaceError):
                Merge(repository, numbers, **(journal.read() or {"there": {}, "trials": False})).make()
            journal.clear()


def _journal(repository: Repository) -> Journal:
    return Journal(repository.private / "merge.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
