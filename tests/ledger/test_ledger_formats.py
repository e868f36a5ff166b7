"""The formats that git is about to make its defaults: SHA-256 objects, and all refs in tables."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import git
from invariants import check

from autogit.ledger import GitLedger
from autogit.records import Verdict

from .conftest import baseline, curve, open_lab, propose, verdict

FORMATS = {
    "sha256": ("--object-format=sha256",),
    "reftable": ("--ref-format=reftable",),
    "both": ("--object-format=sha256", "--ref-format=reftable"),
}


def knows_reftable() -> bool:
    """Whether this machine's git does; it came with 2.45."""
    said = re.search(r"(\d+)\.(\d+)", subprocess.run(["git", "version"], capture_output=True, text=True).stdout)
    return said is not None and (int(said[1]), int(said[2])) >= (2, 45)


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param != "sha256" and not knows_reftable():
        pytest.skip("this git knows no reftable")
    return FORMATS[request.param]


def made(folder: Path, format: tuple[str, ...]) -> GitLedger:
    git(folder.parent, "init", "-q", *format, folder.name)
    (folder / "train.py").write_text("learning_rate = 0.1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    return open_lab(folder)


def test_a_trials_whole_life(tmp_path: Path, format: tuple[str, ...]) -> None:
    ledger = made(tmp_path / "lab", format)
    baseline(ledger)
    better = propose(ledger)
    ledger.close(verdict(better, Verdict.ACCEPTED), "step 1 loss 2.0\n", [curve()])
    worse = propose(ledger, "learning_rate = 0.3\n")
    ledger.close(verdict(worse), "step 1 loss 4.0\n", [])
    assert ledger.main() == better.commit and (ledger.root / "train.py").read_text() == "learning_rate = 0.2\n"
    assert "-learning_rate = 0.2" in ledger.revert(better.id, better.commit)  # type: ignore[operator]
    assert (ledger.checkout(worse.commit, 0) / "train.py").read_text() == "learning_rate = 0.3\n"
    assert ledger.curves(better.id) == (curve(),)
    open_one = propose(ledger, "learning_rate = 0.4\n")
    again = open_lab(ledger.root)
    assert [trial.id for trial in again.unfinished()] == [open_one.id]
    ledger.gc()
    check(again)


def test_two_labs_in_step(tmp_path: Path, format: tuple[str, ...]) -> None:
    first = made(tmp_path / "first", format)
    baseline(first)
    git(tmp_path, "init", "-q", "--bare", *format, "hub")
    git(first.root, "remote", "add", "origin", str(tmp_path / "hub"))
    first.sync("origin")
    branch = git(first.root, "symbolic-ref", "--short", "HEAD")
    git(tmp_path / "hub", "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    git(tmp_path, "clone", "-q", *format[1:], "hub", "second")
    second = open_lab(tmp_path / "second")
    second.sync("origin")
    trial = propose(second)
    second.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    second.sync("origin")
    first.sync("origin")
    assert first.main() == trial.commit and first.records() == second.records()
    check(first)
    check(second)
