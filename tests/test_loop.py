"""The loop from end to end on a toy that trains in a blink: real git, real processes, all rooms."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import git
from toy import TRAIN, add_commit, branches, make_toy, tags

from autogit import Lab
from autogit.errors import BaselineError, BrokenEnvironmentError, LabBusyError, PatchError
from autogit.events import Closed, Event, Notice
from autogit.records import Verdict

BETTER = """\
--- a/train.py
+++ b/train.py
@@ -5,3 +5,3 @@
-learning_rate = 0.1
+learning_rate = 0.3
 width = 8
 dropout = 0.5
"""


def test_a_loop_leaves_everything_in_git(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    start = git(folder, "rev-parse", "main")
    ended = Lab.open(folder).loop(trials=6)
    assert (ended.trials, ended.reason) == (6, "the limit of trials is reached")

    lab = Lab.open(folder)  # what a new process finds
    records = lab.trials()
    assert [r.id for r in records] == [str(n) for n in range(7)]
    assert records[0].trial.operator == "baseline" and records[0].accepted
    assert records[0].environment["metrics"] == "self-reported", "there is no evaluator"
    assert records[0].metrics["lines_of_code"] == sum(bool(line.strip()) for line in TRAIN.splitlines())
    assert len(lab.history.accepted) >= 1
    best = lab.best()
    assert best is not None and git(folder, "rev-parse", "main") == best.trial.commit
    assert (lab.improvement(best) or 0) > 0

    assert branches(folder) == ["main"]
    assert sorted(tags(folder, "exp/*")) == sorted(r.trial.ref for r in records)
    assert sorted(tags(folder, "dead/*")) == sorted(f"dead/{r.id}" for r in records if r.verdict.dead)
    assert git(folder, "merge-base", start, "main") == start, "main only moves forward"
    assert "val_loss" in git(folder, "log", "--notes", "-1", "main")
    assert git(folder, "status", "--porcelain") == "", "the person's files followed main"
    git(folder, "fsck", "--strict")


def test_the_line_in_the_note_gives_the_same_number_again(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=2)
    record = Lab.open(folder).trial(2)
    git(folder, "checkout", "-q", "exp/2")
    done = subprocess.run(record.reproduce, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    printed = float(done.stdout.rpartition("val_loss: ")[2])
    assert printed == record.runs[0].metrics["val_loss"]


def test_the_same_lab_proposes_the_same_again(tmp_path: Path) -> None:
    titles = []
    for name in ("one", "two"):
        folder = make_toy(tmp_path / name)
        Lab.open(folder).loop(trials=5, seed=7)
        titles.append([r.trial.title for r in Lab.open(folder).trials()])
    assert titles[0] == titles[1]


def test_a_persons_commit_is_a_new_baseline(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=1)
    before = len(Lab.open(folder).trials())
    commit = add_commit(folder, "train.py", TRAIN.replace("width = 8", "width = 64"))
    Lab.open(folder).loop(trials=1)
    records = Lab.open(folder).trials()
    baseline = records[before]
    assert (baseline.trial.operator, baseline.trial.commit) == ("baseline", commit)
    assert records[before + 1].trial.base == commit


def test_commits_while_a_trial_runs_supersede_it(tmp_path: Path) -> None:
    """A change that beats the base it was made on is tried again on the `main` that came between."""
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=1)
    git(folder, "reset", "-q", "--hard", "exp/0")
    commits: list[str] = []

    def interfere(event: Event) -> None:
        if type(event).__name__ == "Ran" and not commits:
            commits.append(add_commit(folder, "README.md", "Words.\n"))

    lab = Lab.open(folder)
    record = lab.attempt(BETTER, "A better rate", interfere)
    assert record.verdict is Verdict.SUPERSEDED
    assert git(folder, "rev-parse", "main") == commits[0]
    assert record.trial.ref in tags(folder)

    Lab.open(folder).loop(trials=1)
    baseline, again = Lab.open(folder).trials()[-2:]
    assert baseline.trial.commit == commits[0]
    assert (again.trial.operator, again.trial.parents) == ("retry", (record.id,))
    assert again.accepted and git(folder, "rev-parse", "main") == again.trial.commit


def test_two_slots_share_one_main(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=8, jobs=2)
    lab = Lab.open(folder)
    assert sorted(r.trial.number for r in lab.trials()) == list(range(len(lab.trials())))
    commits = git(folder, "rev-list", "--first-parent", "main").split()
    assert [r.trial.commit for r in reversed(lab.history.accepted)] == commits[:-1]
    assert branches(folder) == ["main"]


def test_a_failing_baseline_stops_with_its_log_and_uses_no_number(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", train="print('loading')\nraise SystemExit('no data here')\n")
    with pytest.raises(BaselineError) as raised:
        Lab.open(folder).loop(trials=1)
    assert "no data here" in raised.value.log
    assert branches(folder) == ["main"] and tags(folder) == []
    add_commit(folder, "train.py", TRAIN)
    Lab.open(folder).loop(trials=1)
    assert Lab.open(folder).trial(0).accepted


def test_a_metric_that_never_appears_is_named_with_what_was_found(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", train=TRAIN.replace("val_loss:", "valid_loss:"))
    with pytest.raises(BaselineError, match=r"val_loss.*valid_loss"):
        Lab.open(folder).loop(trials=1)


def test_a_broken_environment_is_told_from_bad_proposals(tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("here")
    train = TRAIN.replace('print(f"val_loss', f'open({str(data)!r})\nprint(f"val_loss')
    folder = make_toy(tmp_path / "lab", train=train)
    closed: list[str] = []

    def unplug(event: Event) -> None:
        if isinstance(event, Closed):
            data.unlink(missing_ok=True)
            closed.append(event.record.id)

    with pytest.raises(BrokenEnvironmentError, match="data"):
        Lab.open(folder).loop(trials=8, observer=unplug)
    assert closed == ["0", "1", "2", "3"]
    assert sorted(branches(folder)) == ["exp/1", "exp/2", "exp/3", "main"]
    assert tags(folder, "dead/*") == []

    data.write_text("back again")
    Lab.open(folder).loop(trials=3)
    assert [r.id for r in Lab.open(folder).trials()] == ["0", "1", "2", "3"]
    assert all(r.verdict is not Verdict.CRASHED for r in Lab.open(folder).trials())


def test_a_broken_environment_that_nothing_trains_in_leaves_no_trial(tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("here")
    folder = make_toy(tmp_path / "lab", train=TRAIN.replace("import sys\n", f"import sys\n\nopen({str(data)!r})\n"))

    def unplug(event: Event) -> None:
        if isinstance(event, Closed):
            data.unlink(missing_ok=True)

    with pytest.raises(BrokenEnvironmentError, match="data"):
        Lab.open(folder).loop(trials=8, observer=unplug)
    assert (branches(folder), tags(folder, "exp/*")) == (["main"], ["exp/0"])


def test_a_change_of_our_own_that_dies_in_its_first_step_uses_no_number(tmp_path: Path) -> None:
    train = TRAIN.replace("seed = int", "assert width != 16, 'sixteen'\nseed = int")
    pattern = """
[[pattern]]
name = "typo"
title = "A typo"
source = "nobody"
edits = [{ find = "noise = $X", replace = "noise = $X.nosie()" }]
"""
    folder = make_toy(tmp_path / "lab", train=train, more=pattern)
    told: list[str] = []
    lab = Lab.open(folder)
    lab.loop(trials=12, observer=lambda e: told.append(e.text) if isinstance(e, Notice) else None)
    records = Lab.open(folder).trials()
    assert [r.trial.number for r in records] == list(range(len(records)))
    assert not any(r.verdict is Verdict.CRASHED for r in records)
    assert sum("A typo" in text and "dies in its first step" in text and "nosie" in text for text in told) >= 1
    assert branches(folder) == ["main"]


def test_a_persons_change_that_dies_in_its_first_step_is_a_crashed_trial(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    diff = "--- a/train.py\n+++ b/train.py\n@@ -5 +5 @@\n-learning_rate = 0.1\n+learning_rate = None\n"
    wrong = diff.replace("+learning_rate = None", "+learning_rate = undefined")
    record = Lab.open(folder).attempt(wrong, "My own")
    assert record.verdict is Verdict.CRASHED and record.trial.ref in tags(folder)


def test_five_lines_and_code_outside_the_catalogue_have_something_to_propose(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    config = (folder / ".autoresearch.toml").read_text()
    space = config[config.index("[space]") : config.index("[sandbox]")]
    add_commit(folder, ".autoresearch.toml", config.replace(space, ""))
    assert Lab.open(folder).loop(trials=4).trials == 4
    off = config.replace(space, "[space]\ndiscover = false\n").replace("[train]", "catalogue = false\n[train]")
    add_commit(folder, ".autoresearch.toml", off)
    reason = Lab.open(folder).loop(trials=4).reason
    assert "nothing is left" in reason
    assert all(word in reason for word in ("[space]", "discover = true", "catalogue = true", "[[pattern]]", "[llm]"))


def test_a_second_loop_is_refused_and_says_who_works(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    refused: list[str] = []

    def again(event: Event) -> None:
        if isinstance(event, Closed):
            with pytest.raises(LabBusyError) as raised:
                Lab.open(folder).loop(trials=1)
            refused.append(str(raised.value))

    Lab.open(folder).loop(trials=1, observer=again)
    assert refused and all("process" in words for words in refused)


def test_limits(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    assert "target" in Lab.open(folder).loop(trials=20, target=1.5).reason
    ended = Lab.open(folder).loop(patience=3)
    assert "patience" in ended.reason or "nothing is left" in ended.reason


def test_a_diff_that_does_not_land_uses_no_number(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    with pytest.raises(PatchError):
        Lab.open(folder).attempt(BETTER.replace("dropout = 0.5", "dropout = 0.7"), "Misread")
    with pytest.raises(PatchError):
        Lab.open(folder).attempt(BETTER.replace("train.py", ".autoresearch.toml"), "Move the goal")
    assert tags(folder) == []


def test_dirty_files_wait_and_the_person_is_told(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    (folder / "train.py").write_text(TRAIN + "# mine\n")
    words: list[str] = []
    lab = Lab.open(folder)
    record = lab.attempt(BETTER, "A better rate", lambda e: words.append(e.text) if isinstance(e, Notice) else None)
    assert record.accepted
    assert (folder / "train.py").read_text() == TRAIN + "# mine\n"
    assert any("train.py" in word for word in words)
