from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from autogit.ledger.refs import Move, Refs
from autogit.records import Verdict

from .conftest import CONFIG, baseline, open_lab, propose, verdict
from .invariants import check, staged

HERE = Path(__file__).parent


def prepared(repository: Path) -> None:
    (repository / ".autoresearch.toml").write_text(CONFIG)
    (repository / "mine.txt").write_text("not committed")


def survives(repository: Path, closed: list[str], earlier_main: str) -> None:
    """Opens the lab after a kill and looks at everything."""
    again = open_lab(repository)
    check(again, earlier_main)
    assert set(closed) <= {record.id for record in again.records()}, "a closed trial is lost"
    assert (repository / "mine.txt").read_text() == "not committed"
    assert staged(repository) == "", "the checkout has staged reversals"
    assert (repository / "train.py").read_bytes() == again.read(again.main(), "train.py"), (
        "the files did not follow main"
    )
    again.close_processes()


def test_killed_at_every_step_of_a_write_nothing_is_lost(repository: Path) -> None:
    prepared(repository)
    for deadly in (*range(1, 13), 15, 20, 25):
        before = open_lab(repository)
        main = before.main()
        before.close_processes()
        command = [sys.executable, str(HERE / "driver.py"), str(repository), "12", str(deadly)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, start_new_session=True, check=False)
        assert done.returncode == -signal.SIGKILL, "the driver was to be killed"
        survives(repository, done.stdout.split(), main)


def kill_at_random(repository: Path, times: int, seed: int) -> None:
    prepared(repository)
    chance = random.Random(seed)
    for _ in range(times):
        before = open_lab(repository)
        main = before.main()
        before.close_processes()
        command = [sys.executable, str(HERE / "driver.py"), str(repository), "1000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            assert process.stdout is not None
            closed = [process.stdout.readline().strip() for _ in range(chance.randint(1, 4))]
            time.sleep(chance.uniform(0, 0.08))  # not to wait for anything: to hit any instant
            os.killpg(process.pid, signal.SIGKILL)
            closed += process.stdout.read().split()
        survives(repository, closed, main)


def test_killed_at_random_instants_nothing_is_lost(repository: Path) -> None:
    kill_at_random(repository, 5, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_a_hundred_times_nothing_is_lost(repository: Path) -> None:
    kill_at_random(repository, 100, seed=2)


class Killed(BaseException):
    """Stands for the end of the process, where one process has to see all of it."""


@pytest.mark.parametrize("what", [Verdict.ACCEPTED, Verdict.REJECTED])
@pytest.mark.parametrize("done", range(7))
def test_every_state_inside_a_closing_transaction_is_finished_or_run_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch, what: Verdict, done: int
) -> None:
    """Git moves the refs of one transaction one after the other; here it dies after the first `done` of them."""
    ledger = open_lab(repository)
    main = ledger.main()
    trial = propose(ledger)

    def partly(refs: Refs, moves: Sequence[Move]) -> None:
        ordered = [m for m in moves if m.new] + [m for m in moves if not m.new]
        for move in ordered[:done]:
            arguments = ["-d", move.ref] if move.new is None else [move.ref, move.new]
            subprocess.run(["git", "update-ref", *arguments], cwd=repository, check=True)
        for move in moves:
            lock = repository / ".git" / f"{move.ref}.lock"
            lock.parent.mkdir(parents=True, exist_ok=True)
            lock.touch()
        (repository / ".git" / "packed-refs.lock").touch()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Refs, "_transact", partly)
        with pytest.raises(Killed):
            ledger.close(verdict(trial, what), "log", [])
    again = open_lab(repository)
    check(again, main)
    if again.records():
        assert [r.verdict for r in again.records()] == [what]
        assert staged(repository) == ""
        assert (again.main() == trial.commit) == (what is Verdict.ACCEPTED)
    else:
        assert again.unfinished() == [trial]
        again.close(verdict(trial, what), "log", [])
        check(again, main)


def test_main_moved_by_a_person_before_an_acceptance_was_finished(repository: Path) -> None:
    from conftest import git

    ledger = open_lab(repository)
    baseline(ledger)
    trial = propose(ledger)
    # As after a crash between the notes and `main`: the record is there, nothing else.
    note = ledger._repository.notes.set_record(trial.commit, trial.id, verdict(trial, Verdict.ACCEPTED))
    ledger._repository.refs.move(
        [ledger._repository.notes.set_part("refs/notes/autogit/logs", trial.commit, trial.id, "log"), note]
    )
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    again = open_lab(repository)
    assert again.record(trial.id).verdict is Verdict.SUPERSEDED
    check(again)


@pytest.mark.parametrize("processes,count", [(8, 5), pytest.param(8, 25, marks=pytest.mark.slow)])
def test_many_processes_close_trials_at_once(repository: Path, processes: int, count: int) -> None:
    prepared(repository)
    open_lab(repository)
    command = [sys.executable, str(HERE / "closer.py"), str(repository), str(count)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    ids = [id for process in running for id in process.communicate()[0].split()]
    assert [process.returncode for process in running] == [0] * processes
    assert len(ids) == len(set(ids)) == processes * count
    ledger = open_lab(repository)
    assert {record.id for record in ledger.records()} == set(ids)
    assert all(ledger.log(id) == f"log of {id}" for id in ids)
    check(ledger)
