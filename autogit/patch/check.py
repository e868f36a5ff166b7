"""Proofs made before anything lands: of the new diff against what was said, and of the files themselves."""

from __future__ import annotations

import json
import tomllib
import warnings
from collections import Counter
from collections.abc import Iterable

from autogit.diff import quoted
from autogit.errors import PatchError
from autogit.patch.hunk import FilePatch, Sign
from autogit.patch.source import BOM
from autogit.patch.spelling import folded


def same_meaning(patch: FilePatch, diff: str, path: str, before: bytes, after: bytes) -> None:
    """Proves that the canonical `diff` of one file makes `after` of `before`, and changes the lines that `patch` named.

    Both by a reading that shares nothing with the one that made it (unidiff). What locating may have mended
    is not compared: indentation, the width of blanks, typographic characters, a byte order mark. Raises PatchError.
    """
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        (file,) = PatchSet(diff)
    except (UnidiffParseError, ValueError):
        raise PatchError(f"{path}: the change cannot be written as a diff that reads back") from None
    names = {quoted(f"a/{path}"), quoted(f"b/{path}"), "/dev/null"}
    hunks = [[(line.line_type, line.value) for line in hunk] for hunk in file]
    starts = [(hunk.source_start, hunk.source_length) for hunk in file]
    if {file.source_file, file.target_file} - names or _carried_out(hunks, starts, before) != after:
        raise PatchError(f"{path}: the change cannot be written as a diff that reads back")
    if patch.hunks:
        said = _net((line.sign, line.text) for hunk in patch.hunks for line in hunk.lines)
        if said != _net(line for hunk in hunks for line in hunk):
            raise PatchError(f"{path}: what would land is not what the diff says")


def _carried_out(hunks: list[list[tuple[str, str]]], starts: list[tuple[int, int]], before: bytes) -> bytes | None:
    """The file after a strict application; None where a line is not what the hunk says."""
    old = before.decode().split("\n")
    old = [line + "\n" for line in old[:-1]] + ([old[-1]] if old[-1] else [])
    new: list[str] = []
    at = 0
    for hunk, (start, length) in zip(hunks, starts, strict=True):
        first = start - (length > 0)
        new += old[at:first]
        at = first
        for sign, text in _with_ends(hunk):
            if sign != "+":
                if at >= len(old) or old[at] != text:
                    return None
                at += 1
            if sign != "-":
                new.append(text)
    return "".join([*new, *old[at:]]).encode()


def _with_ends(hunk: list[tuple[str, str]]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for sign, text in hunk:
        if sign == "\\":
            lines[-1] = (lines[-1][0], lines[-1][1].removesuffix("\n"))
        else:
            lines.append((sign, text))
    return lines


def _net(lines: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often each text is added or removed, less where it is both."""
    count: dict[str, Counter[str]] = {Sign.ADDED: Counter(), Sign.REMOVED: Counter()}
    for sign, text in lines:
        if sign in count:
            count[sign][folded(text.removeprefix(BOM))] += 1
    added, removed = count[Sign.ADDED], count[Sign.REMOVED]
    return Counter({("+", t): n for t, n in (added - removed).items()}) + Counter(
        {("-", t): n for t, n in (removed - added).items()}
    )


def still_parses(path: str, before: bytes | None, after: bytes) -> None:
    """Raises PatchError for a Python, TOML or JSON file that has become unreadable; one that always was may stay so."""
    if (problem := _problem(path, after)) and (before is None or not _problem(path, before)):
        raise PatchError(f"{path}: {problem[0]}", problem[1])


def _problem(path: str, data: bytes) -> tuple[str, str] | None:
    kind = path.rpartition(".")[2]
    try:
        if kind == "py":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(data, path, "exec", dont_inherit=True)
        elif kind == "toml":
            tomllib.loads(data.decode())
        elif kind in ("json", "ipynb"):
            json.loads(data)
    except SyntaxError as error:
        line = (error.text or "").rstrip()
        return (
            f"no longer parses as Python: line {error.lineno}: {error.msg}",
            f"{error.lineno}: {line}" if line else "",
        )
    except (ValueError, RecursionError, MemoryError) as error:
        return f"no longer parses: {error}", ""
    return None
