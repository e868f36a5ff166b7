"""What holds of a lab at every moment after it was opened, however its last process ended."""

from __future__ import annotations

import subprocess
from pathlib import Path

from autogit.ledger import GitLedger
from autogit.ledger.ending import ID


def check(ledger: GitLedger, earlier_main: str = "") -> None:
    """Raises AssertionError for the first promise that is broken. `earlier_main`: where `main` was before."""
    folder = ledger.root

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout

    said = git("fsck", "--strict", "--no-dangling")
    assert "missing" not in said and "error" not in said, said
    refs = dict(line.split(" ")[::-1] for line in git("for-each-ref", "--format=%(objectname) %(refname)").splitlines())
    branches = {r.removeprefix("refs/heads/exp/") for r in refs if r.startswith("refs/heads/exp/")}
    tags = {r.removeprefix("refs/tags/exp/") for r in refs if r.startswith("refs/tags/exp/")}
    dead = {r.removeprefix("refs/tags/dead/") for r in refs if r.startswith("refs/tags/dead/")}
    records = {record.id: record for record in ledger.records()}

    assert len(records) == len(ledger.records()), "a trial has two records"
    assert not branches & tags, f"branch and tag of one name: {branches & tags}"
    assert all(ID.fullmatch(id) for id in branches | tags)
    assert tags == records.keys(), f"closed trials without a record or the other way round: {tags ^ records.keys()}"
    assert dead == {id for id, record in records.items() if record.verdict.dead}
    for id, record in records.items():
        assert refs[f"refs/tags/exp/{id}"] == record.trial.commit, f"exp/{id} and its note are on different commits"
        assert ledger.log(id) or not record.runs, f"exp/{id} has lost its log"
    assert {trial.id for trial in ledger.unfinished()} == {id for id in branches if "/" not in id}

    on_main = set(git("rev-list", ledger.main()).split())
    for record in records.values():
        changes = record.accepted and not record.trial.is_baseline
        assert not changes or record.trial.commit in on_main, f"accepted exp/{record.id} is not on main"
    if earlier_main:
        assert earlier_main in on_main, "main is no fast-forward of what it was"
    locks = [p for p in (folder / ".git").rglob("*.lock") if "autogit" not in p.relative_to(folder / ".git").parts[:1]]
    assert not locks, f"locks are left: {locks}"


def staged(folder: Path) -> str:
    """What is staged in a checkout, as a person would see it."""
    return subprocess.run(
        ["git", "diff", "--cached", "--name-status"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
