"""A base file as lines, and the same file with hunks carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autogit.errors import PatchError
from autogit.patch.hunk import Hunk, Line, Sign

BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text. `ends[i]` is the line ending of `lines[i]`: "\\n", "\\r\\n", or "" for a last line without."""

    lines: tuple[str, ...]
    ends: tuple[str, ...]
    bom: str = ""
    default_end: str = "\n"
    """For a file that has no line ending yet."""

    @classmethod
    def of(cls, data: bytes, path: str, literal: bool = False, default_end: str = "\n") -> Source:
        """Decodes a file; with `literal`, "\\r" is part of a line's text. Raises PatchError for one that is no text."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise PatchError(f"{path}: is not UTF-8 text; a proposal changes text only") from None
        if "\0" in text:
            raise PatchError(f"{path}: is a binary file; a proposal changes text only")
        bom = BOM if text.startswith(BOM) else ""
        parts = text.removeprefix(bom).split("\n")
        pairs = [_cut(part, literal) for part in parts[:-1]] + ([(parts[-1], "")] if parts[-1] else [])
        return cls(tuple(line for line, _ in pairs), tuple(end for _, end in pairs), bom, default_end)

    @property
    def newline_at_end(self) -> bool:
        return not self.ends or self.ends[-1] != ""

    def usual_end(self, start: int, stop: int) -> str:
        """The line ending of lines start..stop, where they agree; else the file's commonest."""
        near = set(self.ends[start:stop]) - {""}
        if len(near) == 1:
            return near.pop()
        common = Counter(end for end in self.ends if end).most_common(1)
        return common[0][0] if common else self.default_end


@dataclass(frozen=True, slots=True)
class Fit:
    """A hunk at its place: `hunk.old` is what stands at `start` (counted from 0), its added lines as they will be."""

    hunk: Hunk
    start: int

    def edits(self) -> Iterator[Edit]:
        at = self.start
        low, added = at, list[tuple[str, bool]]()
        for line in self.hunk.lines:
            if line.sign is Sign.KEPT:
                if added or at > low:
                    yield Edit(low, at, tuple(added), self)
                at += 1
                low, added = at, []
            elif line.sign is Sign.REMOVED:
                at += 1
            else:
                added.append((line.text, line.at_end))
        if added or at > low:
            yield Edit(low, at, tuple(added), self)

    def changes(self) -> Iterator[tuple[Line, int]]:
        """Each changed line in turn, with its index in the file, or that of the line it is put before."""
        return ((line, at) for line, at in self._walk() if line.sign is not Sign.KEPT)

    def kept(self) -> Iterator[int]:
        """The file's lines that the hunk shows as context."""
        return (at for line, at in self._walk() if line.sign is Sign.KEPT)

    def removed(self) -> Iterator[int]:
        """The file's lines that the hunk takes out."""
        return (at for line, at in self._walk() if line.sign is Sign.REMOVED)

    def _walk(self) -> Iterator[tuple[Line, int]]:
        at = self.start
        for line in self.hunk.lines:
            yield line, at
            at += line.sign is not Sign.ADDED

    @property
    def stop(self) -> int:
        return self.start + len(self.hunk.old)


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines low..high (from 0, high excluded) become `added`: texts, each with whether no line ending may follow it."""

    low: int
    high: int
    added: tuple[tuple[str, bool], ...]
    fit: Fit


def rewrite(source: Source, fits: Sequence[Fit], path: str) -> bytes:
    """The file with every hunk carried out. Raises PatchError where two of them claim the same lines."""
    edits = sorted((edit for fit in fits for edit in fit.edits()), key=lambda edit: (edit.low, edit.high))
    for first, second in pairwise(edits):
        if second.low < first.high or second.low == first.low:
            raise PatchError(
                f"{path}: two hunks change line {second.low + 1}; say the change once", str(second.fit.hunk)
            )
    lines: list[tuple[str, str]] = []
    ending: list[int] = []
    at = 0
    for edit in edits:
        lines += zip(source.lines[at : edit.low], source.ends[at : edit.low], strict=True)
        end = source.usual_end(edit.fit.start, edit.fit.stop)
        for text, last in edit.added:
            ending += [len(lines)] if last else []
            lines.append((text, end))
        at = edit.high
    lines += zip(source.lines[at:], source.ends[at:], strict=True)
    if any(index != len(lines) - 1 for index in ending):
        raise PatchError(f"{path}: says that no newline follows a line which is not the file's last")
    return _joined(source, lines, _newline_at_end(source, edits, bool(ending)))


def _newline_at_end(source: Source, edits: Sequence[Edit], taken_away: bool) -> bool:
    """The file's own state, unless a hunk speaks of it: a marker below an added line takes the newline away, one that
    is only below a removed last line adds it."""
    if taken_away:
        return False
    hunks = {id(edit.fit.hunk): edit.fit.hunk for edit in edits}.values()
    given = any(line.at_end and line.sign is Sign.REMOVED for hunk in hunks for line in hunk.lines)
    return given or source.newline_at_end


def _joined(source: Source, lines: list[tuple[str, str]], newline_at_end: bool) -> bytes:
    usual = source.usual_end(0, 0)
    texts = [text + (end or usual) for text, end in lines[:-1]]
    if lines:
        text, end = lines[-1]
        texts.append(text + (end or usual) if newline_at_end else text)
    return (source.bom + "".join(texts)).encode()


def _cut(part: str, literal: bool) -> tuple[str, str]:
    return (part[:-1], "\r\n") if part.endswith("\r") and not literal else (part, "\n")
