"""Documentation that cannot go stale: generated pages are current, links resolve."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from toy import make_toy

from autogit.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def script(name: str) -> Any:
    """A program of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_current() -> None:
    for name, text in script("generate").pages().items():
        assert (ROOT / "docs" / name).read_text() == text, f"docs/{name} is old: python docs/generate.py"


def test_the_readers_own_repository_goes_as_written(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-own-repo.md").read_text()
    assert (ROOT / "examples" / "spirals" / "fit.py").read_text() in page, "the page and the example are one script"
    done = list(script("walkthrough").run(page, tmp_path))
    assert [each.command for each in done if each.status != 0] == []
    by_command = {each.command: each for each in done}
    for command in ("autogit init", "cat .autoresearch.toml", "git diff HEAD --stat"):
        assert by_command[command].printed == by_command[command].shown, "docs/walkthrough.py writes what it is now"
    # What is measured is another machine's: as many trials, though, and each command says something of its kind.
    assert trials(by_command["autogit loop -n 3"].printed) == trials(by_command["autogit loop -n 3"].shown)
    for each in done:
        assert each.printed.split(maxsplit=1)[:1] == each.shown.split(maxsplit=1)[:1] or each.command.startswith("git")


def test_the_python_page_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(make_toy(tmp_path / "lab"))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        # As written, but for the hours that it would take.
        exec(block.replace("trials=20", "trials=1").replace("17", "1"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("the limit of trials is reached\nBaseline ") or "accepted" in printed
    assert "python train.py" in printed and "diff --git a/train.py" in printed
    assert re.search(r"^2 \w+ ", printed, re.MULTILINE), "the observer told the second loop's trial"


def trials(output: str) -> list[str]:
    return re.findall(r"^exp/\d+", output, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    """In code: fenced, indented or between backticks."""
    text = page.read_text()
    found = re.findall(r"(?:^    |`|\$ |&& )autogit ((?:-C \S+ )?[a-z]+[^`\n|;&#()]*)", text, re.MULTILINE)
    unknown = []
    for line in found:
        words = [word for word in re.sub(r"-C \S+ ", "", line).split() if word]
        command = cli.commands.get(words[0])
        options = {flag for p in command.params for flag in p.opts} | {"--help"} if command else set()
        flags = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        if command is None or flags - options:
            unknown.append(line)
    assert not unknown


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_first_day_goes_as_written(tmp_path: Path) -> None:
    """Numbers are another machine's; every command of the day works."""
    pytest.importorskip("sklearn")
    done = list(script("walkthrough").run((ROOT / "docs" / "first-day.md").read_text(), tmp_path))
    assert len(done) > 25 and [(each.command, each.printed) for each in done if each.status != 0] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken
