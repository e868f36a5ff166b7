"""Two labs, one plain remote."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import git
from invariants import Before, check, staged

from autogit.errors import UnknownTrialError, WorkspaceError
from autogit.ledger import GitLedger
from autogit.records import Curve, Run, RunStatus, Verdict

from .conftest import CONFIG, baseline, keep, open_lab, propose, verdict

FILES = 128
"""That a process may open; each side's news are more."""


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    return tmp_path / "remote.git"


@pytest.fixture
def first(repository: Path, remote: Path) -> GitLedger:
    (repository / ".autoresearch.toml").write_text(CONFIG)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Configure")
    git(repository, "remote", "add", "origin", str(remote))
    ledger = open_lab(repository)
    baseline(ledger)
    ledger.close(verdict(propose(ledger, "learning_rate = 0.9\n")), "log of 1", [])
    ledger.sync("origin")
    return ledger


@pytest.fixture
def second(first: GitLedger, remote: Path, tmp_path: Path) -> GitLedger:
    git(tmp_path, "clone", "-q", str(remote), "clone")
    ledger = open_lab(tmp_path / "clone")
    assert ledger.sync("origin").received == 2
    return ledger


def test_a_clone_and_a_sync_are_a_whole_lab_with_a_name_of_its_own(first: GitLedger, second: GitLedger) -> None:
    assert second.records() == first.records()
    assert second.log("1") == "log of 1"
    trial = propose(second)
    assert trial.id.endswith("/0") and trial.id == f"{second.lab}/0"
    second.close(verdict(trial), "log", [])
    assert open_lab(second.root).lab == second.lab
    assert propose(first).id == "2"
    check(first)


def test_a_clone_without_notes_is_told_to_sync(first: GitLedger, remote: Path, tmp_path: Path) -> None:
    assert first.unsynced() == ""
    git(tmp_path, "clone", "-q", str(remote), "clone")
    clone = open_lab(tmp_path / "clone")
    assert "2 trials" in clone.unsynced() and "autogit sync origin" in clone.unsynced()
    clone.sync("origin")
    assert clone.unsynced() == ""


def test_both_work_at_once_and_nothing_is_lost_or_doubled(first: GitLedger, second: GitLedger) -> None:
    for ledger in (first, second):
        ledger.close(verdict(propose(ledger, "learning_rate = 0.7\n")), "log", [])
        ledger.extend("0", [verdict(propose(ledger)).runs[0]], [])
    for ledger in (first, second, first, second, first):
        ledger.sync("origin")
    assert first.records() == second.records()
    assert len(first.records()) == 4
    tips = [
        git(ledger.root, "for-each-ref", "refs/notes", "refs/autogit", "refs/heads/main") for ledger in (first, second)
    ]
    assert tips[0] == tips[1]
    first.sync("origin")
    assert git(first.root, "for-each-ref", "refs/notes", "refs/autogit", "refs/heads/main") == tips[0], "repeating adds"
    check(first)


def test_both_extend_one_trial_and_no_run_is_lost(first: GitLedger, second: GitLedger) -> None:
    for ledger, seed in ((first, 7), (second, 8)):
        ledger.extend(
            "1", [Run(seed, RunStatus.COMPLETED, 1.0, 5, {"val_loss": 1.5})], [Curve(seed, "loss", (1,), (2.0,))]
        )
    for ledger in (first, second, first):
        ledger.sync("origin")
    assert [run.seed for run in first.record("1").runs] == [run.seed for run in second.record("1").runs]
    assert {run.seed for run in first.record("1").runs} == {1, 7, 8}
    assert {curve.seed for curve in first.curves("1")} == {curve.seed for curve in second.curves("1")} == {7, 8}


def test_forged_records_are_named_and_never_replace_ours(first: GitLedger, remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(remote), "attacker")
    attacker, before = tmp_path / "attacker", first.records()
    for line, forged in (("closed = ", "closed = 99999"), ("id = ", 'id = "abc"')):
        git(attacker, "fetch", "-q", "origin", "+refs/notes/*:refs/notes/*", "refs/tags/*:refs/tags/*")
        for trial in ("exp/0", "exp/1"):
            text = git(attacker, "notes", "show", trial).splitlines()
            lines = [forged if one.startswith(line) else one for one in text]
            git(attacker, "notes", "add", "-f", "-F", "-", trial, text="\n".join(lines) + "\n")
        git(attacker, "push", "-q", "origin", "refs/notes/commits")
        done = first.sync("origin")
        assert len([word for word in done.words if "is left out" in word]) >= 2
        assert first.records() == before == open_lab(first.root).records()
        check(first)


def test_a_configuration_counts_only_under_its_own_hash(first: GitLedger, remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(remote), "attacker")
    attacker, before = tmp_path / "attacker", first.texts("config")
    git(attacker, "fetch", "-q", "origin", "refs/autogit/*:refs/autogit/*")
    (name,) = before
    blob = git(attacker, "hash-object", "-w", "--stdin", text='[train]\ncommand = "evil"\n')
    tree = git(attacker, "mktree", text=f"100644 blob {blob}\t{name}\n")
    commit = git(attacker, "commit-tree", tree, "-p", "refs/autogit/config", "-m", "x")
    git(attacker, "push", "-q", "origin", f"{commit}:refs/autogit/config")
    assert any("configuration" in word for word in first.sync("origin").words)
    assert first.texts("config") == before
    git(tmp_path, "clone", "-q", str(remote), "fresh")
    fresh = open_lab(tmp_path / "fresh")
    fresh.sync("origin")
    assert fresh.texts("config") == before


def test_texts_that_one_lab_has_taken_down_do_not_come_back(first: GitLedger, second: GitLedger) -> None:
    for name in ("stays", "goes"):
        first.keep_text("shelf", name, name)
    first.sync("origin")
    second.sync("origin")
    first.keep_text("shelf", "goes", None)
    second.keep_text("shelf", "new", "theirs")
    for ledger in (second, first, second):
        ledger.sync("origin")
    assert first.texts("shelf") == second.texts("shelf") == {"stays": "stays", "new": "theirs"}


def test_an_accepted_trial_of_the_other_side_moves_main_here(first: GitLedger, second: GitLedger) -> None:
    trial = propose(second)
    second.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    second.sync("origin")
    first.sync("origin")
    assert first.main() == trial.commit
    assert (first.root / "train.py").read_text() == "learning_rate = 0.2\n"
    assert staged(first.root) == ""
    check(first)


def test_more_news_than_files_may_be_open(first: GitLedger, second: GitLedger) -> None:
    for ledger in (first, second):
        for number in range(35):
            ledger.close(verdict(propose(ledger, f"a = {number}\n")), "log", [])
    second.sync("origin")
    # In a process of its own: how many files are open in this one depends on the tests before.
    script = "import sys; from autogit import Lab; Lab.open(sys.argv[1]).ledger.sync('origin')"
    limited = f"ulimit -n {FILES} && exec {shlex.quote(sys.executable)} -c {shlex.quote(script)} {first.root}"
    subprocess.run(["sh", "-c", limited], check=True)
    assert len(first.records()) == 72
    check(first)


def test_main_moved_on_both_sides(first: GitLedger, second: GitLedger) -> None:
    ours = []
    for rate in (0.3, 0.35):
        ours.append(propose(first, f"learning_rate = {rate}\n"))
        first.close(verdict(ours[-1], Verdict.ACCEPTED), "log", [])
    theirs = propose(second, "learning_rate = 0.4\n")
    second.close(verdict(theirs, Verdict.ACCEPTED), "log", [])
    second.sync("origin")
    before = first.main()
    synced = first.sync("origin")
    assert synced.again == tuple(trial.id for trial in ours)
    assert {first.record(trial.id).verdict for trial in ours} == {Verdict.SUPERSEDED}
    assert first.read(first.main(), "train.py") == b"learning_rate = 0.4\n"
    assert (first.root / "train.py").read_text() == "learning_rate = 0.4\n"
    assert staged(first.root) == ""
    check(first, Before(before))
    second.sync("origin")
    assert second.main() == first.main()
    assert {second.record(trial.id).verdict for trial in ours} == {Verdict.SUPERSEDED}
    check(second, Before(theirs.commit))


def test_a_persons_commit_on_one_side_is_merged_by_the_person(first: GitLedger, second: GitLedger) -> None:
    git(first.root, "commit", "-q", "--allow-empty", "-m", "mine")
    second.close(verdict(propose(second), Verdict.ACCEPTED), "log", [])
    second.sync("origin")
    before = first.main()
    with pytest.raises(WorkspaceError, match="git merge"):
        first.sync("origin")
    assert first.main() == before


def test_tags_can_be_left_out(first: GitLedger, remote: Path) -> None:
    first.close(verdict(propose(first)), "log", [])
    first.sync("origin", trials=False)
    assert git(remote, "tag", "-l", "exp/*").split() == ["exp/0", "exp/1"]
    assert "exp/2" not in git(remote, "tag")


def test_records_that_came_without_tags_are_still_another_labs(first: GitLedger, remote: Path, tmp_path: Path) -> None:
    trial = propose(first)
    first.close(verdict(trial), "log", [])
    first.sync("origin", trials=False)
    git(tmp_path, "clone", "-q", "--no-tags", str(remote), "clone")
    second = open_lab(tmp_path / "clone")
    assert second.sync("origin", trials=False).received == 3
    assert baseline(second).id == f"{second.lab}/0", "not joined with the other baseline on the same commit"
    assert len(second.records()) == 4
    with pytest.raises(UnknownTrialError, match="tags were left out"):
        second.diff(trial.id)


def test_two_labs_without_a_name_are_not_mixed(
    first: GitLedger, remote: Path, repository: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "stranger")
    git(tmp_path / "stranger", "pull", "-q", str(remote), "main")
    stranger = open_lab(tmp_path / "stranger")
    stranger.close(verdict(propose(stranger)), "log", [])
    stranger.close(verdict(propose(stranger)), "log", [])
    before = git(remote, "for-each-ref")
    with pytest.raises(WorkspaceError, match="name of their own"):
        stranger.sync(str(remote))
    assert git(remote, "for-each-ref") == before


def test_two_labs_without_a_name_are_not_mixed_where_tags_are_left_out(
    first: GitLedger, remote: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "stranger")
    git(tmp_path / "stranger", "pull", "-q", str(remote), "main")
    stranger = open_lab(tmp_path / "stranger")
    baseline(stranger)
    before = git(remote, "for-each-ref"), git(stranger.root, "for-each-ref")
    with pytest.raises(WorkspaceError, match="name of their own"):
        stranger.sync(str(remote), trials=False)
    assert (git(remote, "for-each-ref"), git(stranger.root, "for-each-ref")) == before


def test_a_trial_opened_again_after_it_was_sent_gets_its_new_verdict_on_both_sides(
    first: GitLedger, second: GitLedger
) -> None:
    trial = propose(first)
    first.close(verdict(trial, Verdict.CRASHED), "log", [])
    first.sync("origin")
    second.sync("origin")
    second.close(verdict(propose(second)), "log", [])
    second.sync("origin")
    first.reopen([trial.id])
    first.sync("origin")
    assert [t.id for t in first.unfinished()] == [trial.id]
    check(first)
    first.close(verdict(trial, Verdict.ACCEPTED), "log", [])
    for ledger in (first, second, first):
        ledger.sync("origin")
    assert first.record(trial.id).verdict is second.record(trial.id).verdict is Verdict.ACCEPTED
    assert second.main() == trial.commit
    check(first)
    check(second)


def test_a_lab_that_was_put_away_does_not_come_back_by_a_sync(first: GitLedger, tmp_path: Path) -> None:
    assert first.put_away() == "1"
    baseline(first)
    before = git(first.root, "for-each-ref")
    with pytest.raises(WorkspaceError, match="reset --back --number 1"):
        first.sync("origin")
    assert git(first.root, "for-each-ref") == before
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "other.git")
    first.sync(str(tmp_path / "other.git"))
    assert first.bring_back() == "1"
    first.sync("origin")
    assert [record.id for record in first.records()] == ["0", "1"]
    check(first)


def test_what_labs_have_put_away_meets_under_no_number(first: GitLedger, second: GitLedger, tmp_path: Path) -> None:
    """On a fresh remote, as the old one holds what was put away."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "other.git")
    other = str(tmp_path / "other.git")
    assert first.put_away() == "1"
    assert second.put_away() == f"{second.lab}/1"
    for ledger in (first, second, first):
        ledger.sync(other)
    archives = [git(ledger.root, "for-each-ref", "refs/autogit/archive") for ledger in (first, second)]
    assert archives[0] == archives[1]
    assert f"archive/{second.lab}/1/tags/exp/1" in archives[0] and "archive/1/tags/exp/1" in archives[0]
    assert first.bring_back() == "1"
    first.close(verdict(propose(first)), "log", [])
    assert first.put_away() == "2", "a number that was given is not given again"
    first.sync(other)
    second.sync(other)
    assert second.bring_back("2") == "2"
    assert [record.id for record in second.records()] == ["0", "1", "2"]
    check(second)


def test_many_syncs_at_once_on_one_remote(first: GitLedger, second: GitLedger) -> None:
    ledgers = (first, second)
    for ledger in ledgers:
        ledger.close(verdict(propose(ledger)), "log", [])
        ledger.close_processes()
    command = [sys.executable, str(Path(__file__).parent / "syncer.py")]
    labs = [ledger.root for ledger in ledgers for _ in range(2)]
    running = [subprocess.Popen([*command, str(lab), "4"], stdout=subprocess.PIPE, text=True) for lab in labs]
    ids = [id for process in running for id in process.communicate()[0].split()]
    assert [process.returncode for process in running] == [0] * 4
    assert len(set(ids)) == len(ids) == 16
    for ledger in (*ledgers, first):
        ledger.sync("origin")
    assert first.records() == second.records()
    assert {record.id for record in first.records()} >= set(ids)
    check(first)
    check(second)


def test_the_provisional_line_is_local_to_a_clone(first: GitLedger, second: GitLedger, remote: Path) -> None:
    kept = keep(first, "learning_rate = 0.7\n")
    first.sync("origin")
    assert git(remote, "for-each-ref", "refs/autogit/next") == ""
    second.sync("origin")
    assert second.record(kept.id).kept and second.tip() == second.main()
    git(remote, "update-ref", "refs/autogit/next", kept.trial.commit)  # what somebody else has put there
    own = keep(second, "learning_rate = 0.6\n")
    second.sync("origin")
    assert second.tip() == own.trial.commit and first.tip() == kept.trial.commit
    assert git(remote, "rev-parse", "refs/autogit/next") == kept.trial.commit
    check(first)
    check(second)


def test_a_remote_behind_ssh(first: GitLedger, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = tmp_path / "ssh"
    shell.write_text('#!/bin/sh\necho "$1" >> "$0.log"\nexec sh -c "$2"\n')
    shell.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"'{shell}'")
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    first.close(verdict(propose(first)), "log", [])
    for url in (f"ssh://ada@example.org{remote}", f"ada@example.org:{remote}"):
        first.sync(url)
    assert git(remote, "rev-parse", "exp/2") == git(first.root, "rev-parse", "exp/2")
    assert set((tmp_path / "ssh.log").read_text().split()) == {"ada@example.org"}


def test_a_remote_that_is_not_there(first: GitLedger, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="nowhere"):
        first.sync(str(tmp_path / "nowhere"))


def test_plain_fetches_bring_notes_beside_ours(second: GitLedger, first: GitLedger) -> None:
    before = git(second.root, "for-each-ref", "refs/notes")
    first.close(verdict(propose(first)), "log", [])
    first.sync("origin")
    git(second.root, "fetch", "-q")
    assert git(second.root, "for-each-ref", "refs/notes") == before


def test_old_logs_go_when_the_person_asks(first: GitLedger) -> None:
    for _ in range(3):
        first.close(verdict(propose(first)), "log", [])
    log = git(first.root, "notes", "--ref=autogit/logs", "list", "exp/1")
    assert first.gc(keep=2) == 2
    assert [first.log(str(n)) for n in range(5)] == ["step 1 loss 1.0\n", "", "", "log", "log"]
    assert len(first.records()) == 5
    assert git(first.root, "count-objects").startswith("0 objects")
    assert not list((first.root / ".git" / "refs" / "tags").rglob("*[0-9]"))
    git(first.root, "gc", "-q", "--prune=now")
    assert log not in git(first.root, "cat-file", "--batch-all-objects", "--batch-check")
    assert open_lab(first.root).records() == first.records()
    check(first, logs=False)
