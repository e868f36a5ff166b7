"""The provisional line: `refs/autogit/next`, on which kept trials wait for the proof that moves `main`.

It descends from `main`, or it does not count: a person's commit on `main` starts it anew. It is local to a clone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from autogit.errors import MainMovedError
from autogit.ledger.ending import DEAD, epitaph
from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.refs import Move
from autogit.ledger.repository import Repository
from autogit.records import Record, Verdict

NEXT = "refs/autogit/next"
MAX_LINE = 10_000
"""Commits that a line may have; a longer way back to `main` is none."""


class ProvisionalLine:
    """Reads the line and prepares the moves that change it; the caller makes the moves."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def tip(self) -> str:
        """Returns the commit that proposals are made on: the tip of the line, or of `main` if there is none."""
        repository = self._repository
        main, tip = repository.tip(), repository.refs.get(NEXT)
        if tip is None or tip == main or not between(repository.store, main, tip):
            return main
        return tip

    def keep(self, record: Record) -> Move:
        """Returns the move that puts a kept trial on the line. Raises MainMovedError if its base is not the tip."""
        trial, tip = record.trial, self.tip()
        if tip not in (trial.base, trial.commit):
            raise MainMovedError(f"the line moved from {trial.base[:10]} to {tip[:10]} while exp/{trial.id} ran")
        return Move(NEXT, self._repository.refs.get(NEXT), trial.commit)

    def prove(self, records: Sequence[Record]) -> list[Move]:
        """Returns the moves that take the proved trials, oldest first, over to `main`; their records say so.

        Raises MainMovedError if `main` cannot take them.
        """
        repository, last = self._repository, records[-1].trial.commit
        main, tip = repository.tip(), repository.refs.get(NEXT)
        if not between(repository.store, main, last):
            raise MainMovedError(f"{repository.branch} moved while exp/{records[-1].id} was proved")
        if reason := repository.following.blocked():
            raise MainMovedError(reason)
        moves = [repository.notes.set_records(records), Move(repository.branch, main, last)]
        return [*moves, Move(NEXT, tip, None)] if tip == last else moves

    def disprove(self, records: Sequence[Record]) -> list[Move]:
        """Returns the moves that end kept trials as unproved; their records say so. Search starts again from `main`."""
        repository = self._repository
        moves = [repository.notes.set_records(records)]
        for record in records:
            if repository.refs.get(DEAD + record.id) is None:
                tag = commits.add_tag(repository.store, record.trial.commit, f"dead/{record.id}", epitaph(record))
                moves.append(Move(DEAD + record.id, None, tag))
        return [*moves, Move(NEXT, repository.refs.get(NEXT), None)]

    def finish(self) -> list[Move]:
        """Returns the moves that complete a proof whose records are written and which a killed process left there."""
        repository = self._repository
        main, tip = repository.tip(), repository.refs.get(NEXT)
        if tip is None:
            return []
        line = between(repository.store, main, tip)
        found = [record for commit in line for record in repository.notes.on(commit)]
        if proved := [record for record in found if record.verdict is Verdict.ACCEPTED]:
            return self.prove(proved)
        if unproved := [record for record in found if record.verdict is Verdict.UNPROVED]:
            return self.disprove(unproved)
        return []


@lru_cache(maxsize=64)
def between(store: ObjectStore, base: str, tip: str) -> tuple[str, ...]:
    """Returns the commits after `base` up to `tip`, oldest first, along first parents; () if they do not lead there."""
    found: list[str] = []
    at = tip
    while at != base:
        if len(found) == MAX_LINE:
            return ()
        found.append(at)
        parents = commits.read(store, at).parents
        # Kept trials have one parent each. Whatever else stands there is a person's, and not part of the line.
        if len(parents) != 1:
            return ()
        (at,) = parents
    return tuple(reversed(found))
