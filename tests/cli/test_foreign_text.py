"""Text that came from anywhere is shown as text, and what fails outside of autogit is one sentence."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import git
from hypothesis import given
from hypothesis import strategies as st
from toy import make_toy

import autogit.cli
from autogit.cli import cli
from autogit.cli.common import json_text
from autogit.wording import plain

HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text(st.characters(categories=None) | st.sampled_from("\x1b[]\x9b\x9d\x07;m0\u202e\n\t")))
def test_plain_text_has_no_controls_and_stays_as_it_is(text: str) -> None:
    found = plain(text)
    assert not HOSTILE.search(found)
    assert plain(found) == found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Drop [/INST] and [bold]x[/bold] :smile:", "Drop [/INST] and [bold]x[/bold] :smile:"),
        ("\x1b]0;PWNED\x07\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;cm0K\x07 \u202egnp.exe", " gnp.exe"),
        ("\x9d0;title\x9cx\x9b2Jy", "xy"),
        ("an unfinished \x1b]0; hides nothing", "an unfinished 0; hides nothing"),
        ("25%\r50%\r\n100%", "25%\n50%\n100%"),
        ("Größe 模型 🧪 α→β", "Größe 模型 🧪 α→β"),
    ],
)
def test_what_becomes_of_foreign_text(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_plain_is_linear() -> None:
    """A quadratic pattern would be here for hours."""
    for text in ("\x90" * 300_000, "\x1b]" * 200_000, "\x1b[" + "1" * 500_000, "\x9d0;" * 100_000):
        plain(text)


def test_json_loses_nothing_and_is_safe() -> None:
    value = {"title": "\x1b]0;x\x07\u202e\x9b [bold] ü", "lines": "a\nb"}
    for indent in (None, 2):
        text = json_text(value, indent)
        assert json.loads(text) == value and not HOSTILE.search(text.replace("\n", "")) and "ü" in text


@pytest.fixture(scope="module")
def hostile_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab in a folder with brackets, with a trial whose title and log are full of escapes and markup."""
    train = (
        'import sys\nlearning_rate = 0.1\nprint("\\x1b]52;c;cm0K\\x07 [red]log[/red] \\u202e")\nprint(f"val_loss: '
        '{learning_rate + int(sys.argv[1]) / 1e5}")\n'
    )
    folder = make_toy(tmp_path_factory.mktemp("labs") / "proj[v2]", train)
    diff = (
        "--- a/train.py\n+++ b/train.py\n@@ -2,1 +2,2 @@\n-learning_rate = 0.1\n"
        "+learning_rate = 0.3  # \x1b[31m\u202e [/INST]\n+\n"
    )
    (folder.parent / "x.diff").write_text(diff)
    title = "Drop [/INST] \x1b]0;PWNED\x07 \x1b[31mred \u202eevil [bold]b[/bold]"
    done = CliRunner(catch_exceptions=False).invoke(
        cli, ["-C", str(folder), "try", str(folder.parent / "x.diff"), "-m", title]
    )
    assert done.exit_code == 0, done.output
    assert not HOSTILE.search(done.output.replace("\n", "")) and "Drop [/INST]" in done.output
    assert "proj[v2]" in CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "1"]).output
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        "log",
        "log --dead",
        "log --json",
        "show 1",
        "show 1 --json",
        "top",
        "best",
        "trends",
        "status",
        "context",
        "report",
    ],
)
def test_no_command_lets_escapes_through_or_takes_markup(hostile_lab: Path, arguments: str) -> None:
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(hostile_lab), *arguments.split()])
    assert done.exit_code == 0 and not HOSTILE.search(done.output.replace("\n", "").replace("\t", "")), arguments
    if arguments.startswith(("log", "show", "top")) and "dead" not in arguments:
        assert "[/INST]" in done.output


def test_only_one_function_of_the_command_line_prints() -> None:
    """So that no place is forgotten; the screen of a loop has its own, for rich."""
    wrong = []
    for file in Path(autogit.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("click.echo", "click.secho", "print", "sys.stdout.write") and file.name != "common.py":
                wrong.append(f"{file.name}:{node.lineno}")
    assert not wrong


def started(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m autogit -C '{folder}'"
    return subprocess.run(
        ["sh", "-c", command.replace("AUTOGIT", program)], capture_output=True, text=True, env={**os.environ}, cwd="/"
    )


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("AUTOGIT log >&-", 1, "error: standard output is closed; send it to a file, or to /dev/null"),
        ("AUTOGIT loop -n 1 >/dev/full", 1, "error: standard output cannot be written: No space left on device"),
        (
            "mkdir -p gone; cd gone; rmdir ../gone; AUTOGIT_HERE log",
            1,
            "the current folder is not there any more",
        ),
    ],
)
def test_what_fails_around_autogit_is_one_sentence(tmp_path: Path, command: str, status: int, words: str) -> None:
    folder = make_toy(tmp_path / "lab")
    here = command.replace("AUTOGIT_HERE", f"{sys.executable} -m autogit")
    done = started(f"cd '{tmp_path}'; {here}", folder)
    assert done.returncode == status and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_reader_that_has_enough_ends_it_quietly(hostile_lab: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "autogit", "-C", str(hostile_lab), "log"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_configuration_with_a_byte_order_mark_is_read_and_one_in_latin_1_refused(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    file = folder / ".autoresearch.toml"
    text = file.read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + text)
    assert CliRunner().invoke(cli, ["-C", str(folder), "status"]).exit_code == 0
    file.write_bytes(b"# caf\xe9\n" + text)
    done = CliRunner().invoke(cli, ["-C", str(folder), "status"])
    assert done.exit_code == 2 and "utf-8" in done.output and done.output.count("\n") == 1
    assert git(folder, "status", "--porcelain") != ""
