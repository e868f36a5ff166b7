"""The provisional line: `refs/autogit/next`, on which kept trials wait for the proof that moves `main`.

It leads from `main` over kept trials alone, or it does not count: a person's commit on `main`, or one that they take
off it, starts it anew. It is local to a clone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from autogit.errors import AutogitError, MainMovedError
from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.refs import Journal, Move
from autogit.ledger.repository import Repository
from autogit.ledger.trial_refs import DEAD, epitaph
from autogit.records import Record, Verdict

NEXT = "refs/autogit/next"
MAX_LINE = 10_000
"""Commits that a line may have; a longer way back to `main` is none."""


class ProvisionalLine:
    """The line of one repository. What became of it is in a file until every ref says so."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._journal = Journal(repository.private / "proof.json")

    def tip(self) -> str:
        """Returns the commit that proposals are made on: the tip of the line, or of `main` if there is none."""
        repository = self._repository
        main, tip = repository.tip(), repository.refs.get(NEXT)
        if tip is None or tip == main:
            return main
        line = between(repository.store, main, tip)
        return tip if line and all(any(r.kept for r in repository.notes.on(commit)) for commit in line) else main

    def keep(self, record: Record) -> Move:
        """Returns the move that puts a kept trial on the line. Raises MainMovedError if its base is not the tip."""
        trial, tip = record.trial, self.tip()
        if tip not in (trial.base, trial.commit):
            raise MainMovedError(f"the line moved from {trial.base[:10]} to {tip[:10]} while exp/{trial.id} ran")
        return Move(NEXT, self._repository.refs.get(NEXT), trial.commit)

    def prove(self, records: Sequence[Record]) -> list[str]:
        """Takes the proved trials, oldest first, over to `main`; their records say so. Returns words for the person.

        Raises MainMovedError, before anything moved, if `main` cannot take them.
        """
        return self._end(records, proved=True)

    def disprove(self, records: Sequence[Record]) -> None:
        """Ends kept trials as unproved; their records say so. Search starts again from `main`."""
        self._end(records, proved=False)

    def finish(self) -> None:
        """Completes what a killed process has begun, if it came as far as the records."""
        if not self._journal.read():
            return
        repository = self._repository
        with repository.lock:
            begun = self._journal.read() or {"proved": False, "trials": []}
            verdict = Verdict.ACCEPTED if begun["proved"] else Verdict.UNPROVED
            found = [
                record for id, commit in begun["trials"] for record in repository.notes.on(commit) if record.id == id
            ]
            if found and all(record.verdict is verdict for record in found):
                try:
                    repository.write(lambda: self._moves(found, begun["proved"]))
                except MainMovedError as error:
                    reason = f"proved, but before main took it over {error}"
                    given_up = [replace(r, verdict=Verdict.UNPROVED, reason=f"{reason}; {r.reason}") for r in found]
                    repository.write(lambda: self._moves(given_up, proved=False))
            self._journal.clear()

    def _end(self, records: Sequence[Record], proved: bool) -> list[str]:
        repository = self._repository
        with repository.lock:
            self._journal.note({"proved": proved, "trials": [(record.id, record.trial.commit) for record in records]})
            repository.trace("proof noted")
            try:
                words = repository.write(lambda: self._moves(records, proved))
            except AutogitError:
                self._journal.clear()
                raise
            self._journal.clear()
            return words

    def _moves(self, records: Sequence[Record], proved: bool) -> list[Move]:
        repository = self._repository
        tip = repository.refs.get(NEXT)
        moves = [repository.notes.set_records(records)]
        if not proved:
            return [*moves, *self._epitaphs(records), Move(NEXT, tip, None)]
        last = records[-1].trial.commit
        return [*moves, *self._handover(records[-1]), *([Move(NEXT, tip, None)] if tip == last else [])]

    def _handover(self, last: Record) -> list[Move]:
        """Returns the move of `main` to the last proved trial; none if it has it. Raises MainMovedError."""
        repository, commit = self._repository, last.trial.commit
        main = repository.tip()
        if main == commit or between(repository.store, commit, main):
            return []
        if not between(repository.store, main, commit):
            raise MainMovedError(f"{repository.branch} moved while exp/{last.id} was proved")
        if reason := repository.following.blocked():
            raise MainMovedError(reason)
        return [Move(repository.branch, main, commit)]

    def _epitaphs(self, records: Sequence[Record]) -> list[Move]:
        """Returns the moves that tag dead trials as such."""
        repository = self._repository
        dead = [record for record in records if repository.refs.get(DEAD + record.id) is None]
        tags = [commits.add_tag(repository.store, r.trial.commit, f"dead/{r.id}", epitaph(r)) for r in dead]
        return [Move(DEAD + record.id, None, tag) for record, tag in zip(dead, tags, strict=True)]


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
