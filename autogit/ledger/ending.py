"""How a trial ends: which refs move, whether it is closed in one go or finished after a crash."""

from __future__ import annotations

from autogit.errors import MainMovedError, WorkspaceError
from autogit.ledger import message
from autogit.ledger.git import commits
from autogit.ledger.git.refs import Move
from autogit.ledger.repository import Repository
from autogit.records import Record

BRANCHES, TAGS, DEAD = "refs/heads/exp/", "refs/tags/exp/", "refs/tags/dead/"


def ending(repository: Repository, record: Record) -> list[Move]:
    """The moves that end the trial of `record`, whose note is written; those that are already made do nothing.

    Raises MainMovedError where `main` cannot take an accepted trial.
    """
    trial, id, refs, main = record.trial, record.id, repository.refs, repository.branch
    tag = refs.get(TAGS + id)
    if tag not in (None, trial.commit):
        raise WorkspaceError(f"the tag exp/{id} is on another commit than the trial; remove it: git tag -d exp/{id}")
    moves = [Move(TAGS + id, tag, trial.commit)]
    if record.verdict.dead and refs.get(DEAD + id) is None:
        moves.append(
            Move(DEAD + id, None, commits.add_tag(repository.store, trial.commit, f"dead/{id}", epitaph(record)))
        )
    if record.accepted and not trial.is_baseline:
        tip = refs.get(main)
        if tip != trial.commit:
            if tip != trial.base:
                raise MainMovedError(f"{main} moved from {trial.base[:10]} to {str(tip)[:10]} while exp/{id} ran")
            if reason := repository.following.blocked():
                raise MainMovedError(reason)
            moves.append(Move(main, tip, trial.commit))
    moves.append(Move(BRANCHES + id, refs.get(BRANCHES + id), None))
    return moves


def epitaph(record: Record) -> str:
    """The message of a dead trial's tag: what `git tag -n` shows is its first line."""
    title, reason = message.one_line(record.trial.title), message.one_line(record.reason)
    return f"{title}: {record.verdict.value}" + (f", {reason}" if reason else "") + "\n"
