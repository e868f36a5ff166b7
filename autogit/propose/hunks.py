"""Applies a unified diff (one that git or autogit wrote) to texts, forwards or backwards, exactly where it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_LETTERS = dict(zip([bytes([c]) for c in b'abtnvfr"\\'], [bytes([c]) for c in b'\a\b\t\n\v\f\r"\\'], strict=True))


def applied(files: Mapping[str, str], diff: str, reverse: bool = False) -> dict[str, str | None] | None:
    """The texts that `diff` makes of `files`, by path (None where it deletes one); with `reverse`, what it was made of.

    None where a line is not what the diff says, or the diff is of a kind that has no text (binary, mode only).
    """
    result: dict[str, str | None] = {}
    changes = _changes(diff)
    if len(changes) < len(re.findall(r"^diff --git ", diff, re.M)):
        return None
    for change in changes:
        old, new = (change.new, change.old) if reverse else (change.old, change.new)
        text = "" if old is None else files.get(old)
        if text is None or not change.hunks:
            return None
        after = _patched(text.split("\n"), [h.turned() if reverse else h for h in change.hunks])
        if after is None:
            return None
        if old is not None and old != new:
            result[old] = None
        if new is not None:
            result[new] = after
    return result


@dataclass(slots=True)
class _Hunk:
    start: int
    """The first line of the old text that it covers, from 0."""
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    other: int = 0
    old_open: bool = False
    new_open: bool = False
    """Whether the last line has no newline."""

    def turned(self) -> _Hunk:
        return _Hunk(self.other, self.new, self.old, self.start, self.new_open, self.old_open)


@dataclass(slots=True)
class _Change:
    old: str | None
    new: str | None
    hunks: list[_Hunk] = field(default_factory=list)


def _changes(diff: str) -> list[_Change]:
    changes: list[_Change] = []
    lines = diff.split("\n")
    i = 0
    while i < len(lines):
        if lines[i].startswith("--- ") and i + 1 < len(lines) and lines[i + 1].startswith("+++ "):
            changes.append(_Change(_path(lines[i][4:]), _path(lines[i + 1][4:])))
            i += 2
        elif changes and (found := _HUNK.match(lines[i])):
            hunk, i = _hunk(found, lines, i + 1)
            changes[-1].hunks.append(hunk)
        else:
            i += 1
    return changes


def _hunk(found: re.Match[str], lines: list[str], i: int) -> tuple[_Hunk, int]:
    start, count, other, added = (1 if group is None else int(group) for group in found.groups())
    # An empty side is counted from the line before it.
    hunk = _Hunk(start - (count > 0), other=other - (added > 0))
    while i < len(lines) and (len(hunk.old) < count or len(hunk.new) < added or lines[i].startswith("\\")):
        sign, text = lines[i][:1], lines[i][1:]
        if sign == "\\":
            hunk.old_open |= lines[i - 1][:1] in " -"
            hunk.new_open |= lines[i - 1][:1] in " +"
        if sign in (" ", "-", ""):
            hunk.old.append(text)
        if sign in (" ", "+", ""):
            hunk.new.append(text)
        i += 1
    return hunk, i


def _patched(lines: list[str], hunks: list[_Hunk]) -> str | None:
    """The text after all hunks. `lines` end with "" where the text ends with a newline."""
    closed = lines[-1] == ""
    body = lines[:-1] if closed else lines
    result: list[str] = []
    at = 0
    for hunk in hunks:
        if hunk.start < at or body[hunk.start : hunk.start + len(hunk.old)] != hunk.old:
            return None
        result += body[at : hunk.start] + hunk.new
        at = hunk.start + len(hunk.old)
        if at == len(body) and hunk.old and hunk.old_open == closed:
            return None
        if at == len(body) and hunk.new:
            closed = not hunk.new_open
    result += body[at:]
    return "\n".join([*result, ""]) if closed and result else "\n".join(result)


def _path(name: str) -> str | None:
    name = name.rstrip("\r").removesuffix("\t")
    if name.startswith('"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1].encode()).decode("utf-8", "replace")
    return None if name == "/dev/null" else name.partition("/")[2]


def _unescaped(found: re.Match[bytes]) -> bytes:
    return _LETTERS.get(found[1]) or bytes([int(found[1], 8) & 255])
