"""Real loops, killed with everything they started at random instants: nothing is lost, half done, or still running."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import git
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.records import Record

DIRTY = "half a thought, not committed\n"
PATIENCE = 30.0
"""Seconds after which what was killed has to be gone."""

SPACE = "".join(f"knob_{n} = {n}.5\n" for n in range(8))


@dataclass(frozen=True)
class Before:
    """What a lab held at the moment of a kill."""

    main: str
    closed: dict[str, Record]
    open: dict[str, str]
    """Trial -> its commit."""


def make_lab(folder: Path) -> Path:
    make_toy(folder, train=TRAIN.replace("learning_rate =", SPACE + "learning_rate ="))
    (folder / "paper.md").write_text("Findings\n")
    git(folder, "add", "paper.md")
    git(folder, "commit", "-q", "-m", "Begin the paper")
    (folder / "paper.md").write_text(DIRTY)
    (folder / "scratch.txt").write_text(DIRTY)
    return folder


def autogit(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"autogit {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def kill_a_loop(folder: Path, chance: random.Random) -> bool:
    """Starts a loop and kills it, a few lines of output later, somewhere; False where it had come to its end."""
    loop = subprocess.Popen(
        [sys.executable, "-m", "autogit", "-C", str(folder), "loop", "--seed", str(chance.randrange(100))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    assert loop.stdout is not None
    with loop, loop.stdout:
        for _ in range(chance.randrange(1, 5)):
            loop.stdout.readline()
        # The instant itself is what is drawn: nothing is waited for.
        time.sleep(chance.uniform(0, 0.4))
        alive = loop.poll() is None
        kill_tree(loop.pid)
    return alive


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all its descendants, the keepers of runs too; the parents are stopped first."""
    try:
        root = psutil.Process(pid)
        root.suspend()
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def at_work(folder: Path) -> list[str]:
    """The processes that work in a folder, as command lines."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if Path(process.cwd()).is_relative_to(folder) or any(str(folder) in word for word in line):
                found.append(f"{process.pid} {' '.join(line)}")
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while left := at_work(folder):
        assert time.monotonic() < end, f"still running: {left}"
        time.sleep(0.02)


def before(folder: Path) -> Before:
    """Read by plain git where a lab, when it is opened, would mend what it finds."""
    lines = git(folder, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/heads/exp").splitlines()
    lab = Lab.open(folder)
    closed = {record.id: record for record in lab.trials()}
    lab.ledger.close_processes()
    return Before(git(folder, "rev-parse", "main"), closed, dict(line.split() for line in lines))


def check(folder: Path, was: Before) -> None:
    """What holds of a lab that was opened again after a kill; `was`: what it held before it."""
    git(folder, "fsck", "--strict")
    lab = Lab.open(folder)
    records = {record.id: record for record in lab.trials()}
    unfinished = {trial.id: trial.commit for trial in lab.ledger.unfinished()}
    lab.ledger.close_processes()

    refs = set(git(folder, "for-each-ref", "--format=%(refname)").splitlines())
    branches = {ref.removeprefix("refs/heads/exp/") for ref in refs if ref.startswith("refs/heads/exp/")}
    tags = {ref.removeprefix("refs/tags/exp/") for ref in refs if ref.startswith("refs/tags/exp/")}
    assert not branches & tags, "a branch and a tag of one name"
    assert branches == unfinished.keys() and tags == records.keys()
    assert len(branches) <= 1, "a loop of one slot has one trial open"
    assert {ref.removeprefix("refs/tags/dead/") for ref in refs if "tags/dead/" in ref} == {
        id for id, record in records.items() if record.verdict.dead
    }
    for id, record in was.closed.items():
        assert id in records, f"exp/{id} is lost"
        assert (records[id].verdict, records[id].trial.commit) == (record.verdict, record.trial.commit)
        assert records[id].runs[: len(record.runs)] == record.runs
    for id, commit in was.open.items():
        now = records[id].trial.commit if id in records else unfinished.get(id)
        assert now == commit, f"exp/{id} was open and is {now} now"

    git(folder, "merge-base", "--is-ancestor", was.main, "main")
    assert not [str(p) for p in (folder / ".git").rglob("*.lock") if "autogit" not in p.parts], "stale locks"
    assert (folder / "paper.md").read_text() == (folder / "scratch.txt").read_text() == DIRTY
    assert git(folder, "status", "--porcelain").splitlines() == [" M paper.md", "?? scratch.txt"]


def survive(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    labs = done = 0
    lab = make_lab(folder / "lab 0")
    was = before(lab)
    while done < kills:
        if not kill_a_loop(lab, chance):
            labs += 1
            assert labs <= kills, "loops end before they can be killed"
            lab = make_lab(folder / f"lab {labs}")
            was = before(lab)
            continue
        done += 1
        wait_until_gone(lab)
        opened = git(lab, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/heads/exp").splitlines()
        was = Before(was.main, was.closed, dict(line.split() for line in opened))
        autogit(lab, "status")
        check(lab, was)
        was = before(lab)
    autogit(lab, "loop", "-n", "1")
    check(lab, was)
    assert not at_work(lab)
    after = before(lab)
    assert not after.open and was.open.keys() <= after.closed.keys(), "what was open ran again under its number"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(3))
def test_five_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, 5, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10, 15))
def test_twenty_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, 20, seed)
