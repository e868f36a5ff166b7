from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invariants import check

from autogit.errors import CheckoutError, LabBusyError, MainMovedError, UnknownTrialError, WorkspaceError
from autogit.ledger import GitLedger
from autogit.protocols import KeptRun, Ledger
from autogit.records import BASELINE, Curve, Proposal, Run, RunStatus, Verdict

from .conftest import baseline, curve, keep, open_lab, propose, verdict


def test_a_ledger_is_what_the_loop_expects(ledger: GitLedger) -> None:
    seam: Ledger = ledger
    assert seam.private == ledger.root / ".git" / "autogit"


def test_an_open_trial_is_a_branch_with_its_facts_in_the_commit(ledger: GitLedger, repository: Path) -> None:
    trial = propose(
        ledger, rationale="Twice.\n\nOr more.", parameters={"lr": 0.2, "betas": (0.9, 0.95)}, parents=("4",)
    )
    assert git(repository, "branch", "--list", "exp/*").strip() == "exp/0"
    assert "Autogit-Trial: 0" in git(repository, "log", "-1", "--format=%(trailers)", "exp/0")
    assert git(repository, "show", "exp/0:train.py") == "learning_rate = 0.2"
    assert list(ledger.unfinished()) == [trial]
    assert open_lab(repository).unfinished() == [trial]


def test_closing_leaves_tags_notes_and_no_branch(ledger: GitLedger, repository: Path) -> None:
    trial = propose(ledger)
    ledger.close(verdict(trial), "the log\n", [curve()])
    assert git(repository, "branch", "--list", "exp/*") == ""
    assert (
        git(repository, "tag", "-n", "-l", "dead/*").split(None, 1)[1]
        == "Double the learning rate: rejected, val_loss 1.0"
    )
    assert 'verdict = "rejected"' in git(repository, "notes", "show", "exp/0")
    assert git(repository, "cat-file", "-t", "exp/0") == "commit"
    assert ledger.log("0") == "the log\n"
    assert ledger.curves("0") == (curve(),)
    assert [record.trial for record in open_lab(repository).records()] == [trial]
    check(ledger)


def test_an_accepted_trial_moves_main_and_the_files_of_its_checkout(ledger: GitLedger, repository: Path) -> None:
    trial = propose(ledger)
    assert ledger.close(verdict(trial, Verdict.ACCEPTED), "log", []) == []
    assert ledger.main() == trial.commit
    assert (repository / "train.py").read_text() == "learning_rate = 0.2\n"
    assert git(repository, "status", "--porcelain") == "?? .autoresearch.toml"
    check(ledger)


def test_an_accepted_trial_on_an_older_main_writes_nothing(ledger: GitLedger, repository: Path) -> None:
    first, second = propose(ledger), propose(ledger, "learning_rate = 0.3\n")
    ledger.close(verdict(first, Verdict.ACCEPTED), "log", [])
    before = git(repository, "for-each-ref")
    with pytest.raises(MainMovedError, match="exp/1"):
        ledger.close(verdict(second, Verdict.ACCEPTED), "log", [])
    assert git(repository, "for-each-ref") == before
    ledger.close(verdict(second, Verdict.SUPERSEDED), "log", [])
    check(ledger)


def test_baselines_share_a_commit_and_keep_their_records_apart(ledger: GitLedger) -> None:
    first, second = baseline(ledger), baseline(ledger)
    assert first.trial.commit == second.trial.commit
    assert [r.id for r in ledger.records()] == ["0", "1"]
    check(ledger)


def test_a_refused_proposal_is_an_empty_commit_with_its_raw_text(ledger: GitLedger, repository: Path) -> None:
    proposal = Proposal(ledger.main(), "", "Nonsense", "model", "edit", raw="@@ what?", refused="no hunk")
    trial = ledger.open(proposal, {})
    assert git(repository, "diff", trial.base, trial.commit) == ""
    ledger.close(replace(verdict(trial, Verdict.INVALID), runs=()), "", [])
    assert ledger.log(trial.id) == "@@ what?"
    check(ledger)


def test_a_refused_proposal_whose_process_died_is_closed_by_the_next_loop(ledger: GitLedger, repository: Path) -> None:
    ledger.open(Proposal(ledger.main(), "", "Nonsense", "model", "edit", raw="@@ what?", refused="no hunk"), {})
    again = open_lab(repository)
    with again.lock():
        assert again.unfinished() == []
    assert (again.record("0").verdict, again.record("0").reason) == (Verdict.INVALID, "no hunk")
    check(again)


def test_later_runs_join_a_record_and_leave_its_verdict_and_metrics(ledger: GitLedger) -> None:
    record = baseline(ledger)
    failed = Run(3, RunStatus.CRASHED, 1.0, None, {"val_loss": 99.0})
    extended = ledger.extend("0", [Run(2, RunStatus.COMPLETED, 2.0, 10, {"val_loss": 3.0}), failed], [curve()])
    assert extended.metrics == record.metrics and len(extended.runs) == 3
    assert extended == ledger.record("0")
    assert extended.runs[0] == record.runs[0]
    assert ledger.curves("0") == (curve(),)
    assert ledger.note_check("0", {"found": "identical"}).checks == ({"found": "identical"},)


def test_a_reopened_trial_is_open_under_its_number(ledger: GitLedger) -> None:
    trial = propose(ledger)
    ledger.close(verdict(trial, Verdict.CRASHED), "log", [])
    ledger.reopen(["0"])
    assert ledger.unfinished() == [trial]
    assert ledger.records() == []
    check(ledger)
    ledger.close(verdict(trial), "log", [])
    with pytest.raises(WorkspaceError, match="accepted"):
        baseline(ledger)
        ledger.reopen(["1"])


def test_a_discarded_number_is_free_again(ledger: GitLedger) -> None:
    ledger.discard(propose(ledger))
    assert propose(ledger).id == "0"


def test_unknown_trials_are_named(ledger: GitLedger) -> None:
    for ask in (ledger.record, ledger.log, ledger.curves, ledger.diff):
        with pytest.raises(UnknownTrialError, match="7"):
            ask("7")
    trial = propose(ledger)
    ledger.close(verdict(trial), "log", [])
    with pytest.raises(UnknownTrialError, match="not open"):
        ledger.close(verdict(trial), "log", [])


def test_lines_count_what_is_added_less_what_is_removed(ledger: GitLedger) -> None:
    assert ledger.lines(propose(ledger, "a = 1\nb = 2\nc = 3\n")) == 1


def test_a_second_loop_is_refused_and_told_who_runs(ledger: GitLedger, repository: Path) -> None:
    import os

    with ledger.lock(), pytest.raises(LabBusyError, match=str(os.getpid())), open_lab(repository).lock():
        pass
    with open_lab(repository).lock():
        pass


def test_files_are_the_editable_texts(ledger: GitLedger, repository: Path) -> None:
    (repository / "data.py").write_bytes(b"\0\1")
    (repository / "latin.py").write_bytes(b"\xff")
    (repository / "notes.txt").write_text("no")
    (repository / "link.py").symlink_to("train.py")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "More")
    assert list(ledger.files(ledger.main())) == ["train.py"]
    assert ledger.read(ledger.main(), "notes.txt") == b"no"
    assert ledger.read(ledger.main(), "absent/no.py") is None
    assert ledger.read(ledger.main(), "link.py") is None


def test_the_configuration_is_kept_by_its_hash(ledger: GitLedger) -> None:
    propose(ledger)
    assert list(ledger.texts("config").values()) == ['[train]\ncommand = "python train.py --seed {seed}"\n']


def test_a_persons_own_words_in_a_note_stay(ledger: GitLedger, repository: Path) -> None:
    git(repository, "notes", "add", "-m", "my own words", "HEAD")
    baseline(ledger)
    git(repository, "notes", "append", "-m", "and more", "HEAD")
    ledger.note_check("0", {"found": "identical"})
    text = git(repository, "notes", "show", "HEAD")
    assert text.startswith("my own words\n") and text.endswith("and more")
    assert len(ledger.records()) == 1


def test_changes_move_between_commits_without_a_checkout(ledger: GitLedger, repository: Path) -> None:
    body = "".join(f"line_{i} = {i}\n" for i in range(20))
    wide = propose(ledger, body)
    ledger.close(verdict(wide, Verdict.ACCEPTED), "log", [])
    top = propose(ledger, body.replace("line_0 = 0", "line_0 = 100"))
    ledger.close(verdict(top), "log", [])
    end = propose(ledger, body.replace("line_19 = 19", "line_19 = 190"))
    ledger.close(verdict(end, Verdict.ACCEPTED), "log", [])
    both = ledger.transplant(["1"], ledger.main())
    assert both is not None
    assert "+line_0 = 100" in both and "190" not in both.replace(" line_19", "")
    assert ledger.transplant(["1", "2"], wide.commit) is not None
    assert ledger.transplant(["2"], ledger.main()) == "", "already there"
    clash = propose(ledger, body.replace("line_0 = 0", "line_0 = 200"))
    ledger.close(verdict(clash, Verdict.ACCEPTED), "log", [])
    assert ledger.transplant(["1"], ledger.main()) is None
    undone = ledger.revert("2", clash.base)
    assert undone is not None and "+line_19 = 19\n" in undone
    assert "+line_0 = 100" in ledger.diff("1")
    assert git(repository, "status", "--porcelain") == "?? .autoresearch.toml"


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and name.lower() != ".git"
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=1, max_size=3), st.binary(max_size=64))
def test_any_path_and_content_reaches_a_checkout(ledger: GitLedger, parts: list[str], content: bytes) -> None:
    # Not every name that Unicode allows is at most 255 bytes long, and none of ours shall be a folder of train.py.
    name = "/".join(["x", *parts])
    trial = ledger.open(Proposal(ledger.main(), "", "Odd", "hand", "odd"), {name: content})
    assert (ledger.checkout(trial.commit, 0) / name).read_bytes() == content
    ledger.close(verdict(trial), "log", [])


def test_slots_are_clean_whatever_a_training_left(ledger: GitLedger) -> None:
    trial = propose(ledger)
    place = ledger.checkout(trial.commit, 0)
    assert place != ledger.checkout(trial.commit, 1)
    (place / "train.py").write_text("learning_rate = 9.9\n")
    (place / "deep").mkdir()
    (place / "deep" / "file").write_text("x")
    (place / "deep").chmod(0)
    (place / "link").symlink_to("/")
    git(place.parent, "init", "-q", str(place / "nested"))
    git(place.parent, "init", "-q", str(place))
    again = ledger.checkout(trial.commit, 0)
    assert sorted(p.name for p in again.iterdir()) == ["train.py"]
    assert (again / "train.py").read_text() == "learning_rate = 0.2\n"


def deepen(folder: Path, depth: int = 1500) -> None:
    """Folders within each other, more than a path can name."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_no_leftover_of_a_training_ends_a_checkout(ledger: GitLedger) -> None:
    trial = propose(ledger)
    folder = ledger.checkout(trial.commit, 0)
    deepen(folder)
    os.mkfifo(folder / ".git")
    (folder / "null").symlink_to("/dev/zero")
    (folder / "train.py").unlink()
    os.mkfifo(folder / "train.py")
    os.mkfifo(folder / ".gitattributes")
    folder = ledger.checkout(trial.commit, 0)
    assert [path.name for path in folder.iterdir()] == ["train.py"]
    assert (folder / "train.py").read_text() == "learning_rate = 0.2\n"


def test_what_cannot_be_written_to_a_disk_is_said_of_the_commit(ledger: GitLedger) -> None:
    trial = ledger.open(Proposal(ledger.main(), "", "T", "p", "o"), {"a" * 260 + ".py": b"1"})
    with pytest.raises(CheckoutError, match="cannot be checked out"):
        ledger.checkout(trial.commit, 0)
    assert ledger.checkout(ledger.main(), 0).is_dir()


def test_finished_runs_of_an_open_trial_are_in_git_until_it_is_closed(ledger: GitLedger, repository: Path) -> None:
    trial = propose(ledger)
    run = Run(3, RunStatus.COMPLETED, 300.0, 7, {"val_loss": 1.25})
    kept = KeptRun(run, Curve(3, "loss", (1, 2), (2.0, 1.5)), "step 1\n", "python train.py", True, {"config": "abc"})
    other = replace(kept, run=replace(run, seed=1, step=None), curve=None)
    ledger.keep_runs(trial, [kept])
    ledger.keep_runs(trial, [other])
    assert open_lab(repository).kept_runs(trial) == (other, kept)
    ledger.close(verdict(trial), "log", [])
    assert ledger.kept_runs(trial) == () and ledger.texts("runs") == {}


def test_the_line_is_put_away_with_its_lab(ledger: GitLedger, repository: Path) -> None:
    baseline(ledger)
    kept = keep(ledger, "learning_rate = 0.7\n")
    ledger.put_away()
    assert ledger.tip() == ledger.main() and git(repository, "for-each-ref", "refs/autogit/next") == ""
    baseline(ledger)
    other = keep(ledger, "learning_rate = 0.8\n")
    ledger.bring_back()
    assert ledger.tip() == kept.trial.commit
    ledger.bring_back()
    assert ledger.tip() == other.trial.commit
    check(open_lab(repository))


def test_what_a_person_takes_off_main_is_not_brought_back_by_the_line(ledger: GitLedger, repository: Path) -> None:
    start = ledger.main()
    ledger.close(verdict(propose(ledger), Verdict.ACCEPTED), "log", [])
    keep(ledger, "learning_rate = 0.7\n")
    git(repository, "reset", "-q", "--hard", start)
    again = open_lab(repository)
    assert again.main() == again.tip() == start


def test_a_baseline_keeps_the_title_of_its_proposal(ledger: GitLedger) -> None:
    trial = ledger.open(Proposal(ledger.main(), "", "Baseline after a person's commit", BASELINE, BASELINE), {})
    assert (trial.title, trial.commit, trial.is_baseline) == ("Baseline after a person's commit", ledger.main(), True)
