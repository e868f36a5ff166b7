"""Canonical unified diffs: what every proposal looks like, whoever made it, and what it makes of texts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_LETTERS = dict(zip([bytes([c]) for c in b'abtnvfr"\\'], [bytes([c]) for c in b'\a\b\t\n\v\f\r"\\'], strict=True))
NO_NEWLINE = "\\ No newline at end of file\n"


def unified(before: Mapping[str, str], after: Mapping[str, str | None], context: int = 3) -> str:
    """A git-style diff from `before` to `after`, for the paths that `after` names, in their order.

    Text is compared by "\\n" alone, so that "\\r\\n" and lone form feeds stay what they are. A path that is missing in
    `before` is a new file, one that is None in `after` a deleted one; equal texts give nothing.
    """
    return "".join(line for path, new in after.items() for line in _file(path, before.get(path), new, context))


def _file(path: str, old: str | None, new: str | None, context: int) -> Iterator[str]:
    if old == new:
        return
    name_a, name_b = quoted(f"a/{path}"), quoted(f"b/{path}")
    yield f"diff --git {name_a} {name_b}\n"
    if old is None:
        yield "new file mode 100644\n"
    if new is None:
        yield "deleted file mode 100644\n"
    lines = difflib.unified_diff(_lines(old or ""), _lines(new or ""), "/dev/null" if old is None else name_a,
                                 "/dev/null" if new is None else name_b, n=context)  # fmt: skip
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}"


def applied(files: Mapping[str, str], diff: str, reverse: bool = False) -> dict[str, str | None] | None:
    """Returns the texts that `diff` makes of `files`, by path (None if it deletes one), exactly where it says.

    With `reverse`, what it was made of. None if a line is not what the diff says, or the diff is of a kind that has no
    text (binary, mode only). For diffs that git or autogit wrote; `patch` reads those that a person or a model wrote.
    """
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        changes = PatchSet(diff)
    except UnidiffParseError:
        return None
    if any(not change for change in changes) or len(changes) < len(re.findall(r"^diff --git ", diff, re.M)):
        return None
    result: dict[str, str | None] = {}
    for change in changes:
        old, new = _path(change.source_file), _path(change.target_file)
        hunks = [_sides(hunk) for hunk in change]
        if reverse:
            old, new, hunks = new, old, [(there, after, start, before) for start, before, there, after in hunks]
        text = "" if old is None else files.get(old)
        if text is None:
            return None
        after = _patched(_lines(text), [(start, before, put) for start, before, _, put in hunks])
        if after is None:
            return None
        if old is not None and old != new:
            result[old] = None
        if new is not None:
            result[new] = after
    return result


def _sides(hunk: Any) -> tuple[int, list[str], int, list[str]]:
    """Where a hunk begins (from 0) and its lines, with their newlines: before, and after."""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    latest = ""
    for line in hunk:
        if line.line_type == "\\":
            for side in "-+" if latest == " " else latest:
                sides[side][-1] = sides[side][-1].removesuffix("\n")
            continue
        latest = line.line_type or " "
        for side in "-+" if latest == " " else latest:
            sides[side].append(line.value)
    # An empty side is counted from the line before it.
    start, there = hunk.source_start - (hunk.source_length > 0), hunk.target_start - (hunk.target_length > 0)
    return start, sides["-"], there, sides["+"]


def _patched(lines: list[str], hunks: list[tuple[int, list[str], list[str]]]) -> str | None:
    result: list[str] = []
    at = 0
    for start, before, put in hunks:
        if start < at or lines[start : start + len(before)] != before:
            return None
        result += lines[at:start] + put
        at = start + len(before)
    result += lines[at:]
    # A line without a newline can only be the last one.
    return "".join(result) if all(line.endswith("\n") for line in result[:-1]) else None


def _path(name: str) -> str | None:
    name = name.rstrip("\r").removesuffix("\t")
    if name.startswith('"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1].encode()).decode("utf-8", "replace")
    return None if name == "/dev/null" else name.partition("/")[2]


def _unescaped(found: re.Match[bytes]) -> bytes:
    return _LETTERS.get(found[1]) or bytes([int(found[1], 8) & 255])


def grown_by(diff: str) -> int:
    """Lines added minus lines removed."""
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    return sum(line.startswith("+") for line in lines) - sum(line.startswith("-") for line in lines)


def quoted(path: str) -> str:
    """A path as git writes it in a diff: in C-style quotes where it holds bytes that need them."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if not any(c in special or ord(c) < 32 or ord(c) == 127 for c in path):
        return path
    return (
        '"' + "".join(special.get(c) or (f"\\{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c) for c in path) + '"'
    )


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
