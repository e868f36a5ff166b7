"""Tables as a person asks for them: sorted, chosen, narrow, for programs, through a pager; and trials compared."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toy import make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.cli.common import columns, shortened


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), *arguments])


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_toy(tmp_path_factory.mktemp("searched") / "lab")
    assert run(folder, "loop", "-n", "6").exit_code == 0
    return folder


def test_tables_are_chosen_and_sorted(searched: Path) -> None:
    whole = json.loads(run(searched, "log", "--json").output)
    dead = json.loads(run(searched, "log", "--where", "verdict != accepted", "--json").output)
    assert [t["id"] for t in dead] == [t["id"] for t in whole if t["verdict"] != "accepted"] and 0 < len(dead) < len(
        whole
    )
    seconds = [t["runs"] for t in json.loads(run(searched, "log", "--sort", "-trial", "--json").output)]
    assert seconds == [t["runs"] for t in reversed(whole)]
    tried = [t["attempts"] for t in json.loads(run(searched, "trends", "--sort", "-tried", "--json").output)["trends"]]
    assert tried == sorted(tried, reverse=True)
    wrong = run(searched, "top", "--where", "val_los < 3")
    assert wrong.exit_code == 2 and "did you mean val_loss" in wrong.output and wrong.output.count("\n") == 1


def test_tsv_is_for_programs(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for command in ("log", "top", "trends"):
        head, *lines = (line.split("\t") for line in run(searched, command, "--tsv").output.splitlines())
        assert lines and {len(line) for line in lines} == {len(head)}
    head, *lines = (line.split("\t") for line in run(searched, "log", "--tsv").output.splitlines())
    assert len(lines) == 7 and "val_loss" in head and all(len(line[head.index("commit")]) == 40 for line in lines)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_tables_fit_from_forty_columns(searched: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for command in ("log", "log --dead", "top", "trends"):
        assert max(map(len, run(searched, *command.split()).output.splitlines())) <= width, command


def test_wide_characters_are_counted_as_they_are_shown() -> None:
    assert columns("模型 e\u0301") == 6 and columns(shortened("模型模型", 5)) <= 5 and shortened("abc", 3) == "abc"


def test_compare_pairs_seeds_and_shows_curves_and_diff(searched: Path) -> None:
    history = Lab.open(searched).history
    won = history.accepted[0]
    best, base = won.id, history.at(won.trial.base)
    assert base is not None and base.id == "0", "only then do they share seeds for certain"
    text = run(searched, "compare", "0", best).output
    assert "difference" in text and "by step:" in text and "diff --git a/train.py" in text
    assert any(0x2800 < ord(char) < 0x2900 for char in text)
    told = json.loads(run(searched, "compare", "0", f"exp/{best}", "--json").output)
    assert told["pairs"][0]["second"] == best and told["pairs"][0]["diff"].startswith("diff --git")
    assert run(searched, "compare", "0", "99").exit_code == 1


def on_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a person sees: the command on a terminal of 24 lines."""
    main, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80", **environment}
    command = [sys.executable, "-m", "autogit", "-C", str(folder), *arguments]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=env) as process:
        os.close(child)
        seen = b""
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
        process.wait()
    os.close(main)
    return seen.decode()


def test_a_terminal_gets_a_pager_and_colours_unless_told(searched: Path, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    paged = on_terminal(searched, "show", "1", GIT_PAGER=str(pager))
    assert "PAGED" in paged and "\x1b[" in paged
    plain = on_terminal(searched, "show", "1", GIT_PAGER="cat", NO_COLOR="1")
    assert "PAGED" not in plain and not re.search(r"\x1b\[[0-9;]*m", plain)


def test_numbers_of_trials_are_completed(searched: Path) -> None:
    for command, wanted in (("show exp/", "exp/6"), ("compare 0 ", "6"), ("undo ", "3")):
        line = f"autogit -C {searched} {command}"
        words = line.split(" ")
        env = {
            **os.environ,
            "_AUTOGIT_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        program = "from autogit.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
        assert f"plain,{wanted}" in done.stdout.splitlines(), command
