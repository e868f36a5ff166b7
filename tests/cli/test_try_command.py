"""`autogit context | MODEL | autogit try -`: what a model says of its change is kept, and repeats are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from toy import make_toy

from autogit import Lab

ANSWER = """\
<think>A higher rate, or a wider model? The rate.</think>
**TITLE:** Learn faster
**KIND:** optimizer
**HYPOTHESIS:** The rate is far below the best one.
**EXPECTED:** val_loss 0.04 lower
**SOURCE:** Smith, 2017

```diff
--- a/train.py
+++ b/train.py
@@
-learning_rate = 0.1
+learning_rate = 0.3
```
"""
WORSE = "--- a/train.py\n+++ b/train.py\n@@\n-dropout = 0.5\n+dropout = 0.9\n"


def try_(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "try", "-", *options]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def test_a_models_answer_keeps_what_it_says_of_itself(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    assert try_(folder, ANSWER).returncode == 0
    trial = Lab.open(folder).trial(1).trial
    assert (trial.title, trial.operator, trial.proposer) == ("Learn faster", "optimizer", "person")
    assert trial.rationale == "The rate is far below the best one. (source: Smith, 2017)"
    assert trial.expected == "val_loss 0.04 lower"


def test_a_plain_diff_is_taken_as_it_is_and_the_option_names_it(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    assert try_(folder, WORSE).returncode == 0
    assert try_(folder, WORSE.replace("0.9", "0.8"), "-m", "Drop less").returncode == 0
    first, second = Lab.open(folder).trial(1).trial, Lab.open(folder).trial(2).trial
    assert (first.title, first.operator) == ("Try a diff from standard input", "try")
    assert (second.title, second.operator) == ("Drop less", "try")


def test_what_teaches_nothing_new_uses_no_number(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    assert try_(folder, WORSE).returncode == 0
    again = try_(folder, f"TITLE: Another name\nKIND: other\nHYPOTHESIS: It is new.\n\n```diff\n{WORSE}```\n")
    assert again.returncode == 1 and "the same change of the same code is exp/1" in again.stderr
    two = try_(folder, f"{ANSWER}\nOr, alternatively:\n\n```diff\n{WORSE}```\n")
    assert two.returncode == 1 and "more than one proposal" in two.stderr
    idle = "--- a/train.py\n+++ b/train.py\n@@\n-width = 8\n+width = 8  # wide\n"
    comment = try_(folder, f"TITLE: Say it\nHYPOTHESIS: Clear.\n\n```diff\n{idle}```\n")
    assert comment.returncode == 1 and "comments" in comment.stderr
    assert [record.id for record in Lab.open(folder).trials()] == ["0", "1"]
