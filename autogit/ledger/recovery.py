"""Finishes at the next start what a killed process has left half-way. Every step can be repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from autogit.errors import MainMovedError
from autogit.ledger import message
from autogit.ledger.archive import Archive
from autogit.ledger.git import commits
from autogit.ledger.git.refs import Move
from autogit.ledger.ids import ID
from autogit.ledger.line import ProvisionalLine
from autogit.ledger.repository import Repository
from autogit.ledger.sync import finish_merge
from autogit.ledger.trial_refs import BRANCHES, DEAD, TAGS, Numbers, ending
from autogit.records import Record, Verdict


class Recovery:
    """Recognises each state between two writes by the branch `exp/N`, which is made first and deleted last."""

    def __init__(self, repository: Repository, numbers: Numbers) -> None:
        self._repository = repository
        self._numbers = numbers
        self._refs = repository.refs
        self._notes = repository.notes
        self._line = ProvisionalLine(repository)

    def run(self) -> None:
        """Safe beside a loop that is alive: it holds the write lock through every state that is met here."""
        self._refs.clear_stale_locks()
        Archive(self._repository).resume()
        finish_merge(self._repository, self._numbers)
        self._repository.following.resume()
        self._line.finish()
        for id, commit in self._open().items():
            record = self._record(id, commit)
            if record is None and self._refs.get(TAGS + id) is None:
                continue  # open: it runs again
            with self._repository.lock:
                if self._refs.get(BRANCHES + id) == commit:
                    self._finish(id, commit, self._record(id, commit))

    def close_refused(self) -> None:
        """Closes invalid trials that were opened and not closed. Only for the loop that holds the lab."""
        for id, commit in self._open().items():
            reason = message.trailers(commits.read(self._repository.store, commit).message).get("Autogit-Refused")
            trial = message.trial(self._repository.store, id, commit)
            if reason is None or trial.is_baseline:
                continue
            with self._repository.lock:
                closed = datetime.now(UTC).isoformat(timespec="milliseconds")
                record = Record(trial, Verdict.INVALID, reason, closed=closed)
                self._refs.move([self._notes.set_record(commit, id, record), *ending(self._repository, record)])

    def _finish(self, id: str, commit: str, record: Record | None) -> None:
        if record is None:
            # Reopening was interrupted: the record is withdrawn, the tags are not yet.
            self._refs.move([Move(ref + id, self._refs.get(ref + id), None) for ref in (TAGS, DEAD)])
            return
        moves: list[Move] = []
        try:
            ends = [*ending(self._repository, record), *([self._line.keep(record)] if record.kept else [])]
        except MainMovedError as error:
            record = replace(
                record, verdict=Verdict.SUPERSEDED, reason=f"beat an older main ({record.reason}); {error}"
            )
            moves, ends = [self._notes.set_record(commit, id, record)], ending(self._repository, record)
        if record.accepted and not record.trial.is_baseline:
            self._repository.following.expect(record.trial.base)
        self._refs.move([*moves, *ends])
        self._repository.following.follow()

    def _open(self) -> dict[str, str]:
        found = {ref.removeprefix(BRANCHES): commit for ref, commit in self._refs.list(BRANCHES).items()}
        return {id: commit for id, commit in found.items() if ID.fullmatch(id)}

    def _record(self, id: str, commit: str) -> Record | None:
        return next((record for record in self._notes.on(commit) if record.id == id), None)
