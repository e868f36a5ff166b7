"""The fallbacks for text without a diff: SEARCH/REPLACE blocks, and files given whole."""

from __future__ import annotations

import difflib
import re

from autogit.errors import PatchError
from autogit.patch.body import rows
from autogit.patch.hunk import FilePatch, Hunk, Kind, Line, Sign

_SEARCH = re.compile(r"<{5,9} ?SEARCH>?\s*")
_DIVIDER = re.compile(r"={5,9}\s*")
_REPLACE = re.compile(r">{5,9} ?REPLACE\s*")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(.*)")
_ELISION = re.compile(
    r"\s*(#|//|--|/\*|<!--)?\s*(\.\.\.|…)|.*\b(rest of (the )?(code|file|function|class|script)|"
    r"(existing|other|previous) code|(unchanged|same as before|as before))\b.*",
    re.IGNORECASE,
)


def search_replace(text: str) -> tuple[FilePatch, ...]:
    """Every SEARCH/REPLACE block of `text`, by file; nothing where it has none. Raises PatchError."""
    lines = [row.text for row in rows(text)]
    found: dict[str, list[Hunk]] = {}
    path, at, last = "", 0, -1
    while at < len(lines):
        if not _SEARCH.fullmatch(lines[at]):
            at += 1
            continue
        path = _path_above(lines, at, last) or path
        if not path:
            raise PatchError(f"line {at + 1}: a SEARCH block without a file: put the path on the line above it")
        dividers, end = [], at + 1
        while end < len(lines) and not _REPLACE.fullmatch(lines[end]):
            if _SEARCH.fullmatch(lines[end]):
                raise PatchError(f"line {end + 1}: a SEARCH block begins inside another")
            dividers += [end] if _DIVIDER.fullmatch(lines[end]) else []
            end += 1
        if end == len(lines) or len(dividers) != 1:
            raise PatchError(f"line {at + 1}: a SEARCH block needs one ======= line and a >>>>>>> REPLACE line")
        found.setdefault(path, []).append(_hunk(lines[at + 1 : dividers[0]], lines[dividers[0] + 1 : end]))
        at = last = end + 1
    return tuple(_file(path, hunks) for path, hunks in found.items())


def whole_files(text: str) -> tuple[FilePatch, ...]:
    """Every fenced block of `text` whose path is in its opening fence or alone just above. Raises PatchError."""
    lines = [row.text for row in rows(text)]
    found: dict[str, FilePatch] = {}
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        at += 1
        if not opening:
            continue
        start = at
        while at < len(lines) and not (lines[at].strip().startswith(opening[1]) and not lines[at].strip(" `~")):
            at += 1
        path = next((p for word in reversed(opening[2].split()) if (p := _path(word.partition("=")[2] or word))), "")
        path = path or _path(
            next((line for line in reversed(lines[max(0, start - 3) : start - 1]) if line.strip()), "")
        )
        if path and at == len(lines):
            raise PatchError(f"{path}: its code block has no end: it was probably cut off; send the whole file")
        if path in found:
            raise PatchError(f"{path}: given whole twice")
        if path:
            found[path] = FilePatch((path,), Kind.MODIFY, whole=tuple(lines[start:at]))
        at += 1
    return tuple(found.values())


def as_whole(patch: FilePatch, path: str, old: list[str] | None) -> None:
    """Refuses a block that is a piece of the file rather than the file: one with an ellipsis, or that keeps less than
    half of the old lines or loses a top-level definition. Raises PatchError."""
    assert patch.whole is not None
    for line in patch.whole:
        if _ELISION.fullmatch(line) and line.strip() != "..." and line not in (old or ()):
            raise PatchError(f"{path}: leaves something out ({line.strip()}); send the whole file or a diff")
    if old is None:
        return
    said = {line.strip() for line in patch.whole}
    real = [line.strip() for line in old if line.strip()]
    lost = [d[0] for line in old if (d := re.match(r"(async def|def|class) \w+", line)) and not _has(patch.whole, d[0])]
    if sum(line in said for line in real) * 2 < len(real) or lost:
        what = f"lacks {lost[0]}" if lost else "keeps less than half of the file"
        raise PatchError(f"{path}: the block {what}, so it may be a piece of it; send a diff")


def _has(lines: tuple[str, ...], definition: str) -> bool:
    return any(re.match(re.escape(definition) + r"\b", line) for line in lines)


def _hunk(search: list[str], new: list[str]) -> Hunk:
    """The block as a hunk, so that what both halves share is copied from the file."""
    lines: list[Line] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, search, new, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [Line(Sign.KEPT, text, marked=False) for text in search[a:b]]
        else:
            lines += [Line(Sign.REMOVED, text) for text in search[a:b]]
            lines += [Line(Sign.ADDED, text) for text in new[c:d]]
    return Hunk(tuple(lines))


def _file(path: str, hunks: list[Hunk]) -> FilePatch:
    changing = tuple(hunk for hunk in hunks if hunk.changed)
    if not changing:
        raise PatchError(f"{path}: every block replaces text by itself")
    return FilePatch((path,), Kind.MODIFY, changing, ordered=False)


def _path_above(lines: list[str], at: int, last: int) -> str:
    """The path on the nearest line above that is neither blank nor a fence, unless that belongs to another block."""
    for line in reversed(lines[max(last, 0) : at]):
        if line.strip() and not (fence := _FENCE.fullmatch(line)):
            return _path(line)
        if line.strip() and fence and (path := next((p for w in reversed(fence[2].split()) if (p := _path(w))), "")):
            return path
    return ""


def _path(line: str) -> str:
    """The path that a line consists of, out of its decoration; empty where it is anything else."""
    text = re.sub(r"^(file(name)?|path)\s*:\s*", "", line.strip().strip("#*`> ").strip(), flags=re.IGNORECASE)
    text = text.strip().rstrip(":").strip("`*\"'").removeprefix("./")
    return text if re.fullmatch(r"[\w.@+-]*[\w@+-](/[\w.@+-]+)*", text) and re.search(r"[./]", text[1:]) else ""
