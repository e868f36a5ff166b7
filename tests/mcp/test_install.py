"""What `autogit install` writes for each program, that all else stays as it is, and that it is taken back."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mcp", reason="the extra autogit[mcp] is not installed")

from autogit.cli import cli
from autogit.mcp import jsonc
from autogit.mcp.hosts import HOSTS, MARK

FILES = {
    ("claude", "project"): ".mcp.json",
    ("claude", "user"): ".claude.json",
    ("codex", "project"): ".codex/config.toml",
    ("codex", "user"): ".codex/config.toml",
    ("opencode", "project"): "opencode.json",
    ("opencode", "user"): ".config/opencode/opencode.json",
    ("gemini", "project"): ".gemini/settings.json",
    ("gemini", "user"): ".gemini/settings.json",
    ("cursor", "project"): ".cursor/mcp.json",
    ("cursor", "user"): ".cursor/mcp.json",
}
PLACES = sorted(FILES)
JSON = """\
{
  // mine
  "theme": "dark", /* with a // in it */
  "SECTION": {
    "other": {"command": "x", "args": ["{", "//"]}, // theirs
  },
  "last": [1, 2,],
}
"""
TOML = """\
# mine
model = "gpt-5"   # the best

[SECTION.other]
command = "x"

[profiles.work]
model = "o3"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "install", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def parsed(path: Path) -> dict[str, object]:
    text = path.read_text()
    return tomllib.loads(text) if path.suffix == ".toml" else jsonc.loads(text)


@pytest.mark.parametrize(("host", "scope"), PLACES)
def test_everything_else_stays_as_it_is_and_all_is_taken_back(
    tmp_path: Path, isolated_home: Path, host: str, scope: str
) -> None:
    folder = tmp_path if scope == "project" else isolated_home
    path = folder / FILES[host, scope]
    section = HOSTS[host].section
    before = (TOML if path.suffix == ".toml" else JSON).replace("SECTION", section)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before)

    done = run(tmp_path, host, "--scope", scope)
    assert done.returncode == 0, done.stderr
    entry = parsed(path)[section]["autogit"]  # type: ignore[index]
    command = entry["command"] if isinstance(entry["command"], list) else [entry["command"], *entry["args"]]
    where = ["-C", str(tmp_path)] if scope == "project" else []
    assert command == [sys.executable, "-m", "autogit", *where, "mcp"]
    for line in before.splitlines():
        assert line.rstrip(",") in path.read_text(), "each line of the person's is there"
    skill = next(folder.rglob("SKILL.md"))
    assert skill.parent.name == "autogit" and skill.read_text().startswith("---\nname: autogit\ndescription: ")
    assert str(path) in done.stdout and str(skill) in done.stdout

    once = path.read_text()
    assert run(tmp_path, host, "--scope", scope).returncode == 0
    assert path.read_text() == once, "a second time changes nothing"

    done = run(tmp_path, host, "--scope", scope, "--remove")
    assert done.returncode == 0 and str(skill) in done.stdout
    assert path.read_text() == before
    assert not list(folder.rglob("SKILL.md"))
    assert "nothing of autogit" in run(tmp_path, host, "--scope", scope, "--remove").stdout


@pytest.mark.parametrize(("host", "scope"), PLACES)
def test_what_was_not_there_is_gone_again(tmp_path: Path, isolated_home: Path, host: str, scope: str) -> None:
    folder = tmp_path if scope == "project" else isolated_home
    assert run(tmp_path, host, "--scope", scope).returncode == 0
    assert (folder / FILES[host, scope]).exists()
    assert run(tmp_path, host, "--scope", scope, "--remove").returncode == 0
    assert list(folder.iterdir()) == []


BROKEN = [
    ("claude", '{"mcpServers": [1]}'),
    ("claude", "{broken"),
    ("codex", "[broken"),
    ("codex", 'mcp_servers = {x = {command = "y"}}'),
]


@pytest.mark.parametrize(("host", "text"), BROKEN)
def test_a_file_that_cannot_be_edited_is_left_and_says_what_to_add(tmp_path: Path, host: str, text: str) -> None:
    path = tmp_path / FILES[host, "project"]
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    done = run(tmp_path, host, "--scope", "project")
    assert done.returncode == 1 and "was left as it is" in done.stderr and '"autogit"' in done.stderr
    assert path.read_text() == text and not list(tmp_path.rglob("SKILL.md"))


def test_a_skill_of_the_persons_own_is_neither_replaced_nor_deleted(tmp_path: Path) -> None:
    skill = tmp_path / ".claude" / "skills" / "autogit" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: autogit\ndescription: my own\n---\n")
    done = run(tmp_path, "claude")
    assert done.returncode == 1 and "skill of yours" in done.stderr
    assert run(tmp_path, "claude", "--remove").returncode == 0 and "my own" in skill.read_text()
    assert not (tmp_path / ".mcp.json").exists()


def test_the_plugin_names_what_is_there() -> None:
    root = Path(__file__).parents[2]
    plugin = json.loads((root / ".claude-plugin" / "plugin.json").read_text())
    skill = root / plugin["skills"][0] / "autogit" / "SKILL.md"
    assert MARK in skill.read_text()
    assert plugin["mcpServers"]["autogit"] == {"command": "autogit", "args": ["mcp"]}


# ---- any file

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(st.text(max_size=5), values, max_size=4)
others = st.dictionaries(st.text(max_size=5).filter(lambda key: key != "autogit"), tables, min_size=1, max_size=3)


@given(tables, st.none() | others, st.sampled_from([None, 1, 2, 4]), st.booleans())
def test_an_entry_is_put_in_and_taken_out_of_any_json(
    table: dict[str, object], servers: dict[str, object] | None, indent: int | None, comments: bool
) -> None:
    if servers is None:
        table.pop("mcpServers", None)
    else:
        table["mcpServers"] = servers
    text = json.dumps(table, indent=indent)
    if comments:
        text = "// a { comment\n" + text.replace("\n", " // b,}\n") + "/* the end */\n"
    entry = {"command": "python", "args": ["-m", "autogit"]}
    added = jsonc.with_entry(text, "mcpServers", "autogit", entry)
    assert jsonc.loads(added) == {**table, "mcpServers": {**(servers or {}), "autogit": entry}}
    assert jsonc.with_entry(added, "mcpServers", "autogit", entry) == added
    taken = jsonc.without_entry(added, "mcpServers", "autogit")
    assert jsonc.loads(taken) == table
    assert "".join(taken.split()) == "".join(text.split()), "but for blanks, the text is the same again"


def test_what_was_written_can_be_read_by_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(tmp_path), "install", "claude", "--json"])
    written = json.loads(done.output)
    assert written
    assert all(Path(each["path"]).exists() for each in written)
