"""The programs that drive a lab: where each looks for a skill and for a server, and in which form."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autogit.errors import WorkspaceError
from autogit.mcp import jsonc

NAME = "autogit"
"""Of the server and of the skill."""
SKILL = Path(__file__).parent / "skills" / NAME / "SKILL.md"
MARK = "<!-- Written by `autogit install`"
"""A skill with this line is ours to replace and to take away."""
SECONDS = 86_400
"""A call of `try` may take as long as this, where a program asks for a limit: a day."""

Scope = Literal["project", "user"]
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Host:
    """One program. Paths are below the project's folder, or below the home folder if they are the user's."""

    title: str
    scope: Scope
    """Where it is installed if nobody says."""
    files: Mapping[Scope, Sequence[str]]
    """Where it looks for servers: the first that is there is edited, else the first is made."""
    skills: Mapping[Scope, str]
    """The folder of its skills."""
    section: str
    entry: Callable[[Sequence[str]], Entry]
    """(command line of the server) -> what its file says of it."""
    next: str = ""
    """What the person does then, if anything."""


HOSTS: Mapping[str, Host] = {
    "claude": Host(
        "Claude Code", "project", {"project": (".mcp.json",), "user": (".claude.json",)},
        {"project": ".claude/skills", "user": ".claude/skills"}, "mcpServers",
        lambda line: {"type": "stdio", "command": line[0], "args": [*line[1:]]},
        "start claude in this folder and agree to the server of the project; look: claude mcp list",
    ),
    "codex": Host(
        "Codex", "user", {"project": (".codex/config.toml",), "user": (".codex/config.toml",)},
        {"project": ".agents/skills", "user": ".agents/skills"}, "mcp_servers",
        lambda line: {"command": line[0], "args": [*line[1:]], "tool_timeout_sec": SECONDS},
        "look: codex mcp list",
    ),
    "opencode": Host(
        "OpenCode", "project",
        {"project": ("opencode.json", "opencode.jsonc"),
         "user": (".config/opencode/opencode.json", ".config/opencode/opencode.jsonc")},
        {"project": ".opencode/skills", "user": ".config/opencode/skills"}, "mcp",
        lambda line: {"type": "local", "command": [*line], "enabled": True},
        "look: opencode mcp list",
    ),
    "gemini": Host(
        "Gemini CLI", "project", {"project": (".gemini/settings.json",), "user": (".gemini/settings.json",)},
        {"project": ".gemini/skills", "user": ".gemini/skills"}, "mcpServers",
        lambda line: {"command": line[0], "args": [*line[1:]], "timeout": SECONDS * 1000},
        "look: gemini mcp list",
    ),
    "cursor": Host(
        "Cursor", "project", {"project": (".cursor/mcp.json",), "user": (".cursor/mcp.json",)},
        {"project": ".cursor/skills", "user": ".cursor/skills"}, "mcpServers",
        lambda line: {"command": line[0], "args": [*line[1:]]},
        "turn the server on in Cursor's settings, under MCP",
    ),
}  # fmt: skip
"""By the name that the command takes."""


@dataclass(frozen=True, slots=True)
class Place:
    """One file of a host, and what was done to it: "wrote", "took autogit out of", "deleted", "left"."""

    done: str
    path: Path


def install(host: Host, scope: Scope, project: Path) -> list[Place]:
    """Introduces autogit to a program; returns what was written. Raises WorkspaceError, having written nothing."""
    folder = project if scope == "project" else Path.home()
    skill, file = _skill(host, scope, folder), _file(host, scope, folder)
    if skill.exists() and MARK not in _read(skill):
        raise WorkspaceError(f"{skill} is a skill of yours, named as ours: move it away, then install again")
    command = [sys.executable, "-m", "autogit", *(["-C", str(project)] if scope == "project" else []), "mcp"]
    entry = host.entry(command)
    text = _edited(file, lambda old: _with(host, file, old, entry), f"add to it: {json.dumps({NAME: entry})}")
    return [_write(file, text), _write(skill, SKILL.read_text(encoding="utf-8"))]


def remove(host: Host, scope: Scope, project: Path) -> list[Place]:
    """Takes back what `install` has written; returns what was done."""
    folder = project if scope == "project" else Path.home()
    skill, file, done = _skill(host, scope, folder), _file(host, scope, folder), []
    if file.exists():
        old = _read(file)
        text = _edited(file, lambda old: _without(host, file, old), f"take {NAME} out of it yourself")
        if not text.strip() or text.strip() == "{}":
            done.append(_delete(file, folder))
        elif text != old:
            _write(file, text)
            done.append(Place("took autogit out of", file))
    if skill.exists():
        done.append(_delete(skill, folder) if MARK in _read(skill) else Place("left, since it is yours,", skill))
    return done


def _skill(host: Host, scope: Scope, folder: Path) -> Path:
    return folder / host.skills[scope] / NAME / "SKILL.md"


def _file(host: Host, scope: Scope, folder: Path) -> Path:
    paths = [_moved(folder / name, scope) for name in host.files[scope]]
    return next((path for path in paths if path.exists()), paths[0])


def _moved(path: Path, scope: Scope) -> Path:
    """A user's file where their environment puts it: $CODEX_HOME, $XDG_CONFIG_HOME."""
    home = Path.home()
    for name, usual in (("CODEX_HOME", home / ".codex"), ("XDG_CONFIG_HOME", home / ".config")):
        if scope == "user" and os.environ.get(name) and path.is_relative_to(usual):
            return Path(os.environ[name]) / path.relative_to(usual)
    return path


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise WorkspaceError(f"{path} is not UTF-8: save it so, then install again") from None


def _edited(path: Path, edit: Callable[[str], str], by_hand: str) -> str:
    try:
        return edit(_read(path) if path.exists() else "")
    except (ValueError, RecursionError) as error:
        raise WorkspaceError(f"{path} was left as it is: {error}; mend it, or {by_hand}") from None


def _write(path: Path, text: str) -> Place:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link stays one: dotfiles are often links into a repository.
    real = path.resolve()
    new = real.with_name(f"{real.name}.autogit-new")
    new.write_bytes(text.encode())
    if real.exists():
        new.chmod(real.stat().st_mode)
    new.replace(real)
    return Place("wrote", path)


def _delete(path: Path, folder: Path) -> Place:
    path.unlink()
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
    return Place("deleted", path)


# ---- the two forms


def _with(host: Host, file: Path, text: str, entry: Entry) -> str:
    if file.suffix != ".toml":
        return jsonc.with_entry(text, host.section, NAME, entry)
    text = _without_table(text, host.section)
    wanted = tomllib.loads(text)
    wanted[host.section] = {**wanted.get(host.section, {}), NAME: dict(entry)}
    lines = [f"[{host.section}.{NAME}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    edited = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{chr(10) if text else ''}"
    edited += "\n".join(lines) + "\n"
    return _same(edited, wanted)


def _without(host: Host, file: Path, text: str) -> str:
    if file.suffix != ".toml":
        return jsonc.without_entry(text, host.section, NAME)
    return _without_table(text, host.section)


def _without_table(text: str, section: str) -> str:
    """Takes the server's table out of a TOML text, with the tables in it and the blank line before it."""
    wanted = tomllib.loads(text)
    if NAME not in wanted.get(section, {}):
        return text
    del wanted[section][NAME]
    if not wanted[section]:
        del wanted[section]
    table = re.compile(
        rf"(?:\n?^[ \t]*\[{section}\.{NAME}(?:\.[^\]\n]*)?\][ \t]*(?:#[^\n]*)?\n(?:(?![ \t]*\[)[^\n]*(?:\n|\Z))*)",
        re.MULTILINE,
    )
    return _same(table.sub("", text), wanted)


def _same(text: str, wanted: Mapping[str, Any]) -> str:
    if tomllib.loads(text) != wanted:
        raise ValueError("it cannot be edited without changing what else it says")
    return text
