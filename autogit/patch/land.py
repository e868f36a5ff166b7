"""From any proposal's text to exact file changes: whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from autogit.diff import unified
from autogit.errors import PatchError
from autogit.patch.blocks import as_whole, search_replace, whole_files
from autogit.patch.check import same_meaning, still_parses
from autogit.patch.hunk import FilePatch, Kind, Line, Sign
from autogit.patch.locate import locate
from autogit.patch.parse import parse
from autogit.patch.policy import MAX_FILE, MAX_FILES, MAX_TEXT, Policy
from autogit.patch.source import Source, rewrite
from autogit.protocols import Landed

Read = Callable[[str], bytes | None]
"""Gives a base file's content by its path from the repository's root, None where there is no file. Raises PatchError
for a path that is, or leads through, something else than a plain file in plain folders: a link, a submodule."""


_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def land(text: str, read: Read, policy: Policy) -> Landed:
    """What `text` makes of the base that `read` gives.

    `text` holds a unified diff (whatever is wrong with its numbers, fences or blanks), an apply_patch envelope,
    SEARCH/REPLACE blocks or whole files. Raises PatchError where any part of it is ambiguous, fits nowhere or breaks
    the policy; then nothing of it lands.
    """
    if len(text) > MAX_TEXT:
        raise PatchError(f"the proposal has {len(text)} characters; at most {MAX_TEXT} are read")
    if _NO_TEXT.search(text):
        raise PatchError("the proposal holds characters that no text file has (NUL or lone surrogates)")
    patches = _by_path(_understood(text), read, policy)
    if len(patches) > MAX_FILES:
        raise PatchError(f"the proposal changes {len(patches)} files; at most {MAX_FILES} are allowed")
    changes: dict[str, bytes | None] = {}
    diffs: list[str] = []
    for path, patch in sorted(patches.items()):
        before = read(path)
        if before is None:
            patch = _all_added(patch)
        after = _changed(patch, path, before, read)
        if before == after:
            continue
        if after is not None:
            if len(after) > MAX_FILE:
                raise PatchError(f"{path}: would have {len(after)} bytes; at most {MAX_FILE} are allowed")
            still_parses(path, before, after)
        old = {} if before is None else {path: before.decode()}
        diff = unified(old, {path: None if after is None else after.decode()})
        same_meaning(patch, diff, path, before or b"", after or b"")
        changes[path] = after
        diffs.append(diff)
    if not changes:
        raise PatchError("the proposal changes nothing: every file stays as it is")
    return Landed("".join(diffs), changes)


def _understood(text: str) -> tuple[FilePatch, ...]:
    forms = [found for form in (parse, search_replace) if (found := form(text))] or [whole_files(text)]
    if len(forms) > 1:
        raise PatchError("the text mixes a diff with SEARCH/REPLACE blocks; send one of them")
    if not forms[0]:
        raise PatchError("there is no change in the text; send a unified diff with `--- a/PATH` and `+++ b/PATH` lines")
    return forms[0]


def _by_path(patches: tuple[FilePatch, ...], read: Read, policy: Policy) -> dict[str, FilePatch]:
    """Each file's part under its real path. Raises PatchError where the policy forbids one."""
    found: dict[str, FilePatch] = {}
    for patch in patches:
        path = _path(patch, read, policy)
        first = found.get(path)
        if first is None:
            found[path] = patch
        elif first.kind is patch.kind is Kind.MODIFY and first.literal == patch.literal and patch.whole is None:
            hunks, claims = first.hunks + patch.hunks, first.claims + patch.claims
            found[path] = replace(first, hunks=hunks, claims=claims, ordered=False)
        else:
            raise PatchError(f"{path}: is changed twice in ways that do not go together")
    return found


def _path(patch: FilePatch, read: Read, policy: Policy) -> str:
    """The first name, from the root or from the workspace folder, that the base has; else the likeliest."""
    for name in patch.names:
        for path in dict.fromkeys((name, policy.prefix + name)):
            if policy.allows(path) and read(path) is not None:
                return path
    policy.check(patch.name)
    return patch.name


def _changed(patch: FilePatch, path: str, before: bytes | None, read: Read) -> bytes | None:
    if before is None:
        return _created(patch, path, read)
    if patch.kind is Kind.CREATE and before:
        raise PatchError(f"{path}: exists already; send a diff against what it holds")
    source = Source.of(before, path, patch.literal, "\r\n" if patch.crlf else "\n")
    if patch.kind is Kind.DELETE:
        _complete(patch, path, source)
        return None
    if patch.whole is not None:
        as_whole(patch, path, list(source.lines))
        end = source.usual_end(0, len(source.lines))
        text = end.join(patch.whole) + (end if patch.whole and source.newline_at_end else "")
        return (source.bom + text).encode()
    return rewrite(source, locate(patch, source, path), path)


def _created(patch: FilePatch, path: str, read: Read) -> bytes:
    if patch.whole is not None:
        as_whole(patch, path, None)
        lines = [Line(Sign.ADDED, text) for text in patch.whole]
    else:
        lines = [line for hunk in patch.hunks for line in hunk.lines]
    if any(line.sign is not Sign.ADDED for line in lines) or patch.kind is Kind.DELETE or len(patch.hunks) > 1:
        raise PatchError(f"{path}: there is no such file to change; check the path")
    for i in (i for i, c in enumerate(path) if c == "/"):
        if read(path[:i]) is not None:
            raise PatchError(f"{path}: {path[:i]} is a file, not a folder")
    end = "\r\n" if patch.crlf else "\n"
    text = end.join(line.text for line in lines)
    return (text + (end if lines and not lines[-1].at_end else "")).encode()


def _all_added(patch: FilePatch) -> FilePatch:
    """A blank line without its "+" can only be one of a new file's lines: no file has it as context."""

    def added(line: Line) -> Line:
        return line if line.marked or line.bare else replace(line, sign=Sign.ADDED)

    return replace(patch, hunks=tuple(replace(hunk, lines=tuple(map(added, hunk.lines))) for hunk in patch.hunks))


def _complete(patch: FilePatch, path: str, source: Source) -> None:
    """A deletion that shows what it deletes has to show all of it."""
    lines = [line for hunk in patch.hunks for line in hunk.lines]
    if not lines:
        return
    if any(line.sign is not Sign.REMOVED for line in lines) or [line.bare for line in lines] != [
        line.rstrip(" \t") for line in source.lines
    ]:
        raise PatchError(f"{path}: the lines to delete are not the file's")
