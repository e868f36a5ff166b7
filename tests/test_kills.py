"""Real loops, killed with everything they started: at each step of a write, and at random instants.

Nothing is lost, half done, or still running.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import git
from doomed import Trace, killed
from invariants import Before, check
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.ledger import GitLedger

DIRTY = "half a thought, not committed\n"
PATIENCE = 30.0
"""Seconds after which what was killed has to be gone."""

SPACE = "".join(f"knob_{n} = {n}.5\n" for n in range(8))


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


def held(folder: Path) -> Before:
    """What a lab holds."""
    lab = Lab.open(folder)
    was = Before.of(lab.ledger)
    lab.ledger.close_processes()
    return was


def opened(folder: Path) -> dict[str, str]:
    """Trials that are open, read by plain git: a lab, when it is opened, mends what it finds."""
    lines = git(folder, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/heads/exp").splitlines()
    return dict(line.split() for line in lines)


def survived(folder: Path, was: Before) -> None:
    """Looks at a lab after a kill: `autogit status` is the first to open it."""
    wait_until_gone(folder)
    was = replace(was, open=opened(folder))
    autogit(folder, "status")
    lab = Lab.open(folder)
    check(lab.ledger, was)
    lab.ledger.close_processes()
    assert (folder / "paper.md").read_text() == (folder / "scratch.txt").read_text() == DIRTY
    assert git(folder, "status", "--porcelain").splitlines() == [" M paper.md", "?? scratch.txt"]


def goes_on(folder: Path, most: int = 1) -> None:
    """What was open runs again, under its number."""
    was = held(folder)
    assert len(was.open) <= most, "a loop of one slot has one trial open"
    autogit(folder, "loop", "-n", str(max(1, len(was.open))))
    now = held(folder)
    assert not now.open and was.open.keys() <= now.closed.keys()
    survived(folder, was)


def survive(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    labs = done = 0
    lab = make_lab(folder / "lab 0")
    while done < kills:
        was = held(lab)
        assert len(was.open) <= 1, "a loop of one slot has one trial open"
        if not kill_a_loop(lab, chance):
            labs += 1
            assert labs <= kills, "loops end before they can be killed"
            lab = make_lab(folder / f"lab {labs}")
            continue
        done += 1
        survived(lab, was)
    goes_on(lab)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_lose_nothing(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, 4, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10, 20))
def test_ten_kills_at_random_lose_nothing(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, 10, seed)


def kill_at_steps(folder: Path, steps: Iterable[int], work: Callable[[Lab], object], most: int = 1) -> int:
    """Does work on one lab again and again, killed at each of the steps; how many of them it came to.

    `most`: trials that may be open in the end.
    """
    lab, done = make_lab(folder / "lab"), 0
    for step in steps:
        was = held(lab)
        done += killed(lambda trace: work(traced(lab, trace)), step)
        survived(lab, was)
    goes_on(lab, most)
    return done


def traced(folder: Path, trace: Trace) -> Lab:
    """A lab whose ledger tells each step of what it writes."""
    lab = Lab.open(folder)
    editable = lab.ledger._editable
    lab.ledger.close_processes()
    lab.ledger = GitLedger(lab.file, editable, trace)
    return lab


@pytest.mark.timeout(400)
def test_kills_before_and_after_writes_lose_nothing(tmp_path: Path) -> None:
    assert kill_at_steps(tmp_path, range(1, 17, 2), lambda lab: lab.loop(trials=5)) == 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(1, 41, 10))
def test_kills_before_and_after_every_write_of_a_loop_lose_nothing(tmp_path: Path, first: int) -> None:
    assert kill_at_steps(tmp_path, range(first, first + 10), lambda lab: lab.loop(trials=12)) >= 8


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_while_a_change_is_taken_back_lose_nothing(tmp_path: Path) -> None:
    def undo(lab: Lab) -> None:
        best = lab.best()
        if best is None or best.trial.is_baseline:
            lab.loop(trials=3)
        else:
            lab.undo(best.id)

    # Each time that it is asked for it is another trial: an undo that was killed is finished by the next loop.
    assert kill_at_steps(tmp_path, range(1, 16), undo, most=15) >= 8
