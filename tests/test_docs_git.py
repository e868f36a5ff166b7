"""docs/git.md: every command of it, in a lab with an accepted trial and dead ones."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from conftest import git
from toy import make_toy

from autogit import Lab

PAGE = Path(__file__).parents[1] / "docs" / "git.md"
BETTER = "--- a/train.py\n+++ b/train.py\n@@ -5,1 +5,1 @@\n-learning_rate = 0.1\n+learning_rate = 0.3\n"
WORSE = "--- a/train.py\n+++ b/train.py\n@@ -5,1 +5,1 @@\n-learning_rate = 0.3\n+learning_rate = 0.9\n"


def test_every_command_works_and_says_something(tmp_path: Path) -> None:
    commands = re.findall(r"^ {7,8}(git .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == len(re.findall(r"^\d+\. ", PAGE.read_text(), re.MULTILINE)) == 20
    folder = make_toy(tmp_path / "lab")
    lab = Lab.open(folder)
    assert lab.attempt(BETTER, "Faster").accepted and lab.attempt(WORSE, "Too fast").verdict.dead
    identity = ["git", "-C", str(folder), "config"]
    subprocess.run([*identity, "user.name", "Ada"], check=True)
    subprocess.run([*identity, "user.email", "ada@example.org"], check=True)
    for command in commands:
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout.strip() or "worktree" in command, command
    assert "learning_rate = 0.3" in (tmp_path / "by-hand" / "train.py").read_text()
    assert git(folder, "status", "--porcelain") == ""


def test_the_faq_quotes_messages_that_there_are() -> None:
    page = PAGE.with_name("faq.md").read_text()
    quoted = [words.strip("… ") for words in re.findall(r"\*\*`([^`]+)`\*\*", page)]
    source = "".join(file.read_text() for file in (PAGE.parents[1] / "autogit").rglob("*.py"))
    assert len(quoted) > 8 and [words for words in quoted if words not in source] == []
