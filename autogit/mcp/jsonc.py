"""Puts one entry into a JSON file and takes it out again, and leaves every other character as it is.

Such files are written by people, many with comments and commas before a closing brace, so the text is edited and not
written anew. What was meant is checked: the edited text has to say the same as before but for the entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SKIPPED = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN = re.compile(r"[^\s,\]}/]+")
_INDENT = 2
"""Blanks by which a new line is set in, if the file does not show how it does that."""


@dataclass(frozen=True, slots=True)
class _Member:
    """`"key": value` of an object: where the key and the value begin, and where the value ends."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """An object in a text, from `{` at `start` to `}` at `close`."""

    start: int
    close: int
    members: tuple[_Member, ...]

    def get(self, key: str) -> _Member | None:
        return next((member for member in self.members if member.key == key), None)


def loads(text: str) -> dict[str, Any]:
    """Returns what a JSON text with comments says. Raises ValueError if it is none, or no object."""
    _object(text, _skip(text, 0))
    bare = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or " ", text, flags=re.DOTALL)
    bare = re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", bare)
    return dict(json.loads(bare))


def with_entry(text: str, section: str, name: str, entry: Mapping[str, Any]) -> str:
    """Returns `text` with `entry` as `name` in the object `section`, in place of one of that name.

    Raises ValueError if the text cannot be read or the section is no object.
    """
    text = without_entry(text, section, name) if text.strip() else "{}\n"
    wanted = loads(text)
    wanted[section] = {**_section(wanted, section), name: dict(entry)}
    root = _object(text, _skip(text, 0))
    found = root.get(section)
    if found is None:
        edited = _inserted(text, root, section, {name: entry})
    else:
        edited = _inserted(text, _object(text, found.value), name, entry)
    return _checked(edited, wanted)


def without_entry(text: str, section: str, name: str) -> str:
    """Returns `text` without the entry `name` of the object `section`, and without the section if it is empty then."""
    wanted = loads(text)
    if name not in _section(wanted, section):
        return text
    wanted[section] = {key: value for key, value in wanted[section].items() if key != name}
    if not wanted[section]:
        del wanted[section]
        return _checked(_removed(text, _object(text, _skip(text, 0)), section), wanted)
    member = _object(text, _skip(text, 0)).get(section)
    assert member is not None
    return _checked(_removed(text, _object(text, member.value), name), wanted)


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise ValueError(f"{name} is no object")
    return section


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    if loads(text) != wanted:
        raise ValueError("it cannot be edited without changing what else it says")
    return text


def _inserted(text: str, into: _Object, key: str, value: Mapping[str, Any]) -> str:
    line = text.rfind("\n", 0, into.start) + 1
    outer = re.match(r"[ \t]*", text[line:])
    margin = outer[0] if outer else ""
    inner = margin + " " * _INDENT
    if into.members:
        first = into.members[0].start
        before = text[text.rfind("\n", 0, first) + 1 : first]
        inner = before if not before.strip() else inner
    member = f"{json.dumps(key)}: {json.dumps(value, indent=_INDENT)}".replace("\n", f"\n{inner}")
    end = into.start + 1 + len(text[into.start + 1 : into.close].rstrip())
    if not into.members:
        return f"{text[:end]}\n{inner}{member}\n{margin}{text[into.close :]}"
    last = into.members[-1].end
    comma = _skip(text, last)
    if text[comma] == ",":
        return f"{text[:end]}\n{inner}{member},{text[end:]}"
    return f"{text[:last]},{text[last:end]}\n{inner}{member}{text[end:]}"


def _removed(text: str, from_: _Object, key: str) -> str:
    place = next(i for i, member in enumerate(from_.members) if member.key == key)
    member = from_.members[place]
    start = len(text[: member.start].rstrip())
    comma = _skip(text, member.end)
    if text[comma] == ",":
        return text[:start] + text[comma + 1 :]
    if place:
        before = _skip(text, from_.members[place - 1].end)
        return text[:before] + text[before + 1 : start] + text[member.end :]
    left = text[from_.start + 1 : start] + text[member.end : from_.close]
    return text[: from_.start + 1] + ("" if not left.strip() else left) + text[from_.close :]


def _object(text: str, start: int) -> _Object:
    """The object that begins at `start`. Raises ValueError if there is none."""
    if text[start : start + 1] != "{":
        raise ValueError("it holds no JSON object")
    members: list[_Member] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        key = _STRING.match(text, at)
        colon = _skip(text, key.end()) if key else at
        if key is None or text[colon : colon + 1] != ":":
            raise ValueError(f"it is no JSON at line {text.count(chr(10), 0, at) + 1}")
        value = _skip(text, colon + 1)
        end = _value_end(text, value)
        members.append(_Member(json.loads(key[0]), at, value, end))
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise ValueError(f"it is no JSON at line {text.count(chr(10), 0, at) + 1}")
    return _Object(start, at, tuple(members))


def _value_end(text: str, at: int) -> int:
    if text[at : at + 1] == "{":
        return _object(text, at).close + 1
    if text[at : at + 1] == "[":
        at = _skip(text, at + 1)
        while text[at : at + 1] != "]":
            at = _skip(text, _value_end(text, at))
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
        return at + 1
    found = _STRING.match(text, at) or _PLAIN.match(text, at)
    if found is None:
        raise ValueError(f"it is no JSON at line {text.count(chr(10), 0, at) + 1}")
    return found.end()


def _skip(text: str, at: int) -> int:
    """Where the next thing that is no blank and no comment begins."""
    found = _SKIPPED.match(text, at)
    return found.end() if found else at
