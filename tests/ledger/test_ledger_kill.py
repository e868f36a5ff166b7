from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import git
from doomed import killed
from invariants import Before, check, staged

from autogit.ledger import GitLedger
from autogit.ledger.git.refs import Move, Refs
from autogit.protocols import KeptRun
from autogit.records import Record, Run, RunStatus, Verdict

from . import driver
from .conftest import CONFIG, baseline, curve, keep, open_lab, propose, verdict

HERE = Path(__file__).parent


def prepared(repository: Path) -> None:
    (repository / ".autoresearch.toml").write_text(CONFIG)
    (repository / "mine.txt").write_text("not committed")


def survives(repository: Path, was: Before) -> Before:
    """Opens the lab after a kill and looks at everything; what it holds now."""
    again = open_lab(repository)
    check(again, was)
    assert (repository / "mine.txt").read_text() == "not committed"
    assert staged(repository) == "", "the checkout has staged reversals"
    assert (repository / "train.py").read_bytes() == again.read(again.main(), "train.py"), (
        "the files did not follow main"
    )
    now = Before.of(again)
    again.close_processes()
    return now


def test_killed_at_every_step_of_a_trials_life_nothing_is_lost(repository: Path) -> None:
    prepared(repository)
    was = Before()
    for deadly in (*range(1, 13), 15, 20, 25):
        assert killed(lambda trace: driver.main(repository, 12, trace), deadly)
        was = survives(repository, was)


def works(repository: Path, work: Callable[[GitLedger], object], was: Callable[[GitLedger], Before] = Before.of) -> int:
    """Does some work again and again, killed at its first step, its second and so on; how many steps it has."""
    prepared(repository)
    step, going = 0, True
    while going:
        step += 1
        ledger = open_lab(repository)
        before = was(ledger)
        ledger.close_processes()
        going = killed(lambda trace: work(open_lab(repository, trace)), step)
        survives(repository, before)
    return step - 1


def a_dead_trial(ledger: GitLedger) -> str:
    trial = propose(ledger, f"learning_rate = {len(ledger.records())}\n")
    ledger.close(verdict(trial, Verdict.CRASHED), "log", [])
    return trial.id


def test_killed_while_a_record_grows(repository: Path) -> None:
    baseline(open_lab(repository))
    later = Run(2, RunStatus.COMPLETED, 1.0, 5, {"val_loss": 0.5})
    assert works(repository, lambda ledger: ledger.extend("0", [later], [curve()])) >= 3
    assert works(repository, lambda ledger: ledger.note_check("0", {"outcome": "identical"})) >= 3


@pytest.mark.parametrize("proved", [True, False])
def test_killed_while_the_line_is_proved_or_given_up(repository: Path, proved: bool) -> None:
    prepared(repository)
    step, going = 0, True
    while going:
        step += 1
        ledger = open_lab(repository)
        main = ledger.main()
        line = [keep(ledger, f"learning_rate = {step}{at}\n") for at in range(2)]
        tip = ledger.tip()
        assert tip == line[-1].trial.commit != main
        ledger.close_processes()
        end = [replace(r, verdict=Verdict.ACCEPTED if proved else Verdict.UNPROVED, reason="proof") for r in line]

        def work(trace: Callable[[str], None], end: list[Record] = end) -> None:
            lab = open_lab(repository, trace)
            lab.prove(end) if proved else lab.disprove(end)

        going = killed(work, step)
        survives(repository, Before(main))
        again = open_lab(repository)
        found = {again.record(record.id).verdict for record in line}
        if found == {Verdict.KEPT}:
            assert (again.main(), again.tip()) == (main, tip)
            again.disprove([replace(record, verdict=Verdict.UNPROVED) for record in line])
        else:
            assert found == {Verdict.ACCEPTED if proved else Verdict.UNPROVED}
            assert again.main() == again.tip() == (tip if proved else main)
            assert git(repository, "for-each-ref", "refs/autogit/next") == ""
        again.close_processes()
    assert step >= 5


class Killed(BaseException):
    """Stands for the end of the process, if one process has to see all of it."""


def dies_after(done: int, repository: Path) -> Callable[[Refs, Sequence[Move]], None]:
    """Git moves the refs of one transaction one after the other; here it dies after the first `done` of them."""

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

    return partly


@pytest.mark.parametrize("meanwhile", [False, True])
@pytest.mark.parametrize("what", [Verdict.ACCEPTED, Verdict.UNPROVED])
@pytest.mark.parametrize("done", range(5))
def test_every_state_inside_the_end_of_a_line_is_finished(
    repository: Path, monkeypatch: pytest.MonkeyPatch, what: Verdict, done: int, meanwhile: bool
) -> None:
    """Also if a person commits on `main` before the next start."""
    ledger = open_lab(repository)
    main = ledger.main()
    line = [keep(ledger, f"learning_rate = {at}\n") for at in range(2)]
    tip, end = line[-1].trial.commit, [replace(record, verdict=what, reason="proof") for record in line]
    with monkeypatch.context() as patch:
        patch.setattr(Refs, "_transact", dies_after(done, repository))
        with pytest.raises(Killed):
            ledger.prove(end) if what is Verdict.ACCEPTED else ledger.disprove(end)
    taken = what is Verdict.ACCEPTED and done >= 2
    if meanwhile:
        (repository / ".git" / "refs" / "heads" / "main.lock").unlink(missing_ok=True)
        (repository / ".git" / "HEAD.lock").unlink(missing_ok=True)
        tree, parent = git(repository, "rev-parse", "main^{tree}", "main").split()
        mine = git(repository, "commit-tree", "-m", "mine", "-p", parent, tree)
        git(repository, "update-ref", "refs/heads/main", mine)
    again = open_lab(repository)
    check(again, Before(main))
    found = {again.record(record.id).verdict for record in line}
    if done == 0:
        assert found == {Verdict.KEPT}
        assert again.tip() == (mine if meanwhile else tip)
        return
    handed_over = taken or (what is Verdict.ACCEPTED and not meanwhile)
    assert found == {what if handed_over or what is Verdict.UNPROVED else Verdict.UNPROVED}
    assert again.main() == again.tip() == (mine if meanwhile else tip if handed_over else main)
    assert git(repository, "for-each-ref", "refs/autogit/next") == ""


def test_killed_while_runs_of_an_open_trial_are_kept(repository: Path) -> None:
    ledger = open_lab(repository)
    trial = propose(ledger)
    kept: list[KeptRun] = []

    def one(seed: int) -> KeptRun:
        return KeptRun(
            Run(seed, RunStatus.COMPLETED, 300.0, 7, {"val_loss": 1.25}), None, "step 1\n", "train", True, {}
        )

    step, going = 0, True
    while going:
        step += 1
        going = killed(lambda trace: open_lab(repository, trace).keep_runs(trial, [one(step)]), step)  # noqa: B023
        again = open_lab(repository)
        check(again, Before(ledger.main(), {}, {trial.id: trial.commit}))
        found = again.kept_runs(trial)
        assert found in (tuple(kept), (*kept, one(step))), "a kept run is lost, or half there"
        assert going or found[-1] == one(step)
        kept = list(found)
        again.close_processes()
    assert step >= 4
    again = open_lab(repository)
    again.close(verdict(trial), "log", [])
    assert again.texts("runs") == {}


def test_killed_while_a_trial_is_opened_again(repository: Path) -> None:
    trial = a_dead_trial(open_lab(repository))

    def closed(ledger: GitLedger) -> Before:
        for open in ledger.unfinished():
            ledger.close(verdict(open, Verdict.CRASHED), "log", [])
        return Before(ledger.main(), {}, {trial: ledger.record(trial).trial.commit})

    assert works(repository, lambda ledger: ledger.reopen([trial]), closed) >= 3


def test_killed_while_a_lab_is_put_away_and_brought_back(repository: Path) -> None:
    git(repository, "notes", "add", "-m", "my own words", "main")
    first = baseline(open_lab(repository))
    a_dead_trial(open_lab(repository))

    def whole(ledger: GitLedger) -> Before:
        """A lab that is there, as it was or put away: nothing in between."""
        assert "my own words" in git(repository, "notes", "show", first.trial.commit)
        ids = [record.id for record in ledger.records()]
        assert ids in (["0", "1"], []), ids
        if not ids:
            ledger.bring_back()
        return Before(ledger.main())

    assert works(repository, lambda ledger: ledger.put_away(), whole) >= 5

    def two(ledger: GitLedger) -> Before:
        whole(ledger)
        ledger.put_away()
        baseline(ledger)
        return Before(ledger.main())

    assert works(repository, lambda ledger: ledger.bring_back(), two) >= 9
    ids = [record.id for record in open_lab(repository).records()]
    assert ids in (["0", "1"], ["0"])


def test_killed_while_it_is_packed(repository: Path) -> None:
    ledger = open_lab(repository)
    for _ in range(2):
        trial = propose(ledger)
        ledger.close(replace(verdict(trial, Verdict.CRASHED), runs=()), "a log to be dropped", [])
    assert works(repository, lambda ledger: ledger.gc(keep=1), lambda ledger: Before(ledger.main())) >= 3


def test_killed_while_it_is_synced(repository: Path, tmp_path: Path) -> None:
    (repository / ".autoresearch.toml").write_text(CONFIG)
    git(repository, "add", ".autoresearch.toml")
    git(repository, "commit", "-q", "-m", "Configure")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(repository, "remote", "add", "origin", str(tmp_path / "remote.git"))
    ours = open_lab(repository)
    baseline(ours)
    ours.sync("origin")
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), "clone")
    theirs = open_lab(tmp_path / "clone")
    theirs.sync("origin")

    def news(ledger: GitLedger) -> Before:
        """Dead trials on both sides, and one that is accepted there."""
        theirs.sync("origin")
        for lab, what in ((ledger, Verdict.CRASHED), (theirs, Verdict.REJECTED), (theirs, Verdict.ACCEPTED)):
            trial = propose(lab, f"learning_rate = {len(theirs.records())}\n", title=str(what))
            lab.close(verdict(trial, what), "log", [curve()])
        theirs.sync("origin")
        return Before.of(ledger)

    assert works(repository, lambda ledger: ledger.sync("origin"), news) >= 6
    ours.sync("origin")
    theirs.sync("origin")
    assert open_lab(repository).records() == theirs.records()
    check(theirs)


def kill_at_random(repository: Path, times: int, seed: int) -> None:
    prepared(repository)
    chance = random.Random(seed)
    was = Before()
    for _ in range(times):
        command = [sys.executable, str(HERE / "driver.py"), str(repository), "1000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            assert process.stdout is not None
            closed = [process.stdout.readline().strip() for _ in range(chance.randint(1, 4))]
            time.sleep(chance.uniform(0, 0.08))  # not to wait for anything: to hit any instant
            os.killpg(process.pid, signal.SIGKILL)
            closed += process.stdout.read().split()
        was = survives(repository, was)
        assert set(closed) <= was.closed.keys(), "a closed trial is lost"


def test_killed_at_random_instants_nothing_is_lost(repository: Path) -> None:
    kill_at_random(repository, 5, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 7))
def test_killed_twenty_times_nothing_is_lost(repository: Path, seed: int) -> None:
    kill_at_random(repository, 20, seed)


@pytest.mark.parametrize("what", [Verdict.ACCEPTED, Verdict.REJECTED, Verdict.KEPT])
@pytest.mark.parametrize("done", range(7))
def test_every_state_inside_a_closing_transaction_is_finished_or_run_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch, what: Verdict, done: int
) -> None:
    ledger = open_lab(repository)
    main = ledger.main()
    trial = propose(ledger)
    with monkeypatch.context() as patch:
        patch.setattr(Refs, "_transact", dies_after(done, repository))
        with pytest.raises(Killed):
            ledger.close(verdict(trial, what), "log", [])
    again = open_lab(repository)
    check(again, Before(main))
    if again.records():
        assert [r.verdict for r in again.records()] == [what]
        assert staged(repository) == ""
        assert (again.main() == trial.commit) == (what is Verdict.ACCEPTED)
        assert (again.tip() == trial.commit) == (what is not Verdict.REJECTED)
    else:
        assert again.unfinished() == [trial]
        again.close(verdict(trial, what), "log", [])
        check(again, Before(main))


def test_main_moved_by_a_person_before_an_acceptance_was_finished(repository: Path) -> None:
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
