"""`autogit init` as a person types it: what it asks, takes, queues and tries."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import REPOSITORIES, loop, made

from autogit import Lab
from autogit.cli import cli
from autogit.config.load import parse


def init(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), "init", *arguments])


def written(folder: Path) -> str:
    return (folder / ".autoresearch.toml").read_text()


def test_a_command_behind_dashes_is_what_runs(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"fit.py": loop()})
    done = init(folder, "--", "python", "fit.py", "--seed", "{seed}", "--name", "two words")
    assert done.exit_code == 0, done.output
    assert parse(written(folder)).train.command == "{python} fit.py --seed {seed} --name 'two words'"


def test_one_text_behind_dashes_is_the_shell_s(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"code/fit.py": loop()})
    assert init(folder, "--metric", "val_loss", "--", "cd code && python fit.py {seed}").exit_code == 0
    assert parse(written(folder)).train.command == "cd code && {python} fit.py {seed}"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--script", "fit.py", "--", "python", "fit.py"], "give one of them"),
        (["--"], "no COMMAND behind --"),
        (["--script", "fti.py"], "there are fit.py"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, arguments: list[str], word: str) -> None:
    done = init(made(tmp_path / "r", {"fit.py": loop()}), *arguments)
    assert done.exit_code in (1, 2) and word in done.stderr and done.stderr.count("\n") == 1


def test_another_loop_s_ideas_are_queued_once(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", REPOSITORIES["pi-autoresearch, flat"].files)
    assert "queued 2 ideas" in init(folder).output
    (folder / ".autoresearch.toml").unlink()
    assert init(folder).exit_code == 0
    assert [idea.text for idea in Lab.open(folder).ideas()] == ["a wider net", "try dropout in the middle"]


def test_an_endless_script_gets_a_budget_from_a_short_run(tmp_path: Path) -> None:
    script = (
        "import itertools, time\nfor step in itertools.count():  # optimizer.step()\n    time.sleep(0.05)\n"
        "    print(f'step {step} val_loss: {1 / (step + 1):.3f}', flush=True)\n"
    )
    folder = made(tmp_path / "r", {"train.py": script})
    done = init(folder)
    assert done.exit_code == 0, done.output
    assert parse(written(folder)).budget.seconds and "may never end" in done.output
    assert re.search(r"it printed val_loss after \d", done.output)


def test_an_endless_script_that_cannot_run_still_gets_a_configuration(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"train.py": "import nowhere_to_be_found\nwhile True:\n    optimizer.step()\n"})
    done = init(folder)
    assert done.exit_code == 0 and "ended by itself" in " ".join(done.output.split())
    assert parse(written(folder)).budget.seconds is None


def test_a_terminal_is_asked_which_script_is_meant(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"actor.py": loop(), "reinforce.py": loop("print(f'val_acc: {loss}')")})
    shown = typed([sys.executable, "-m", "autogit", "-C", str(folder), "init"], "2\n")
    assert "several scripts look as if they train" in shown and "reinforce.py" in shown
    config = parse(written(folder))
    assert config.train.command == "{python} reinforce.py" and config.metric.name == "val_acc"


def typed(command: list[str], answer: str) -> str:
    """What a program shows on a terminal where `answer` is typed."""
    leader, follower = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as program:
        os.close(follower)
        os.write(leader, answer.encode())
        shown = b""
        try:
            while chunk := os.read(leader, 4096):
                shown += chunk
        except OSError:
            # The other end is closed: the program has ended.
            pass
        assert program.wait() == 0, shown.decode()
    os.close(leader)
    return shown.decode()
