"""What holds of a lab at every moment after it was opened, however its last process ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from conftest import git

from autogit.ledger import GitLedger
from autogit.ledger.ids import ID
from autogit.records import Record


@dataclass(frozen=True)
class Before:
    """What a lab held before something happened to it."""

    main: str = ""
    closed: dict[str, Record] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    """Trial -> its commit."""

    @classmethod
    def of(cls, ledger: GitLedger) -> Before:
        closed = {record.id: record for record in ledger.records()}
        return cls(ledger.main(), closed, {trial.id: trial.commit for trial in ledger.unfinished()})


def check(ledger: GitLedger, was: Before | None = None, logs: bool = True) -> None:
    """Raises AssertionError for the first promise that is broken. `logs`: none was dropped."""
    folder, was = ledger.root, was or Before()
    said = git(folder, "fsck", "--strict", "--no-dangling")
    assert "missing" not in said and "error" not in said, said
    lines = git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    refs = dict(line.split(" ") for line in lines)
    branches, tags, dead = (
        {ref.removeprefix(kind) for ref in refs if ref.startswith(kind)}
        for kind in ("refs/heads/exp/", "refs/tags/exp/", "refs/tags/dead/")
    )
    listed = ledger.records()
    records = {record.id: record for record in listed}
    unfinished = {trial.id: trial.commit for trial in ledger.unfinished()}

    assert len(records) == len(listed), "a trial has two records"
    assert not branches & tags, f"branch and tag of one name: {branches & tags}"
    assert all(ID.fullmatch(id) for id in branches | tags)
    assert tags == records.keys(), f"closed trials without a record or the other way round: {tags ^ records.keys()}"
    assert dead == {id for id, record in records.items() if record.verdict.dead}
    assert branches == unfinished.keys()
    for id, record in records.items():
        assert refs[f"refs/tags/exp/{id}"] == record.trial.commit, f"exp/{id} and its note are on different commits"
        assert ledger.log(id) or not record.runs or not logs, f"exp/{id} has lost its log"
    for id, record in was.closed.items():
        assert id in records, f"exp/{id} is lost"
        assert (records[id].verdict, records[id].trial.commit) == (record.verdict, record.trial.commit)
        assert records[id].runs[: len(record.runs)] == record.runs, f"exp/{id} has lost runs"
    for id, commit in was.open.items():
        now = records[id].trial.commit if id in records else unfinished.get(id)
        assert now == commit, f"exp/{id} was open and is {now} now"

    on_main = set(git(folder, "rev-list", ledger.main()).split())
    for record in records.values():
        changes = record.accepted and not record.trial.is_baseline
        assert not changes or record.trial.commit in on_main, f"accepted exp/{record.id} is not on main"
    assert not was.main or was.main in on_main, "main is no fast-forward of what it was"
    locks = [p for p in (folder / ".git").rglob("*.lock") if "autogit" not in p.relative_to(folder / ".git").parts[:1]]
    assert not locks, f"locks are left: {locks}"


def staged(folder: Path) -> str:
    """What is staged in a checkout, as a person would see it."""
    return git(folder, "diff", "--cached", "--name-status")
