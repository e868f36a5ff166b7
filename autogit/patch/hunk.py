"""What a proposal says, before it is held against any file: files, hunks and lines as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


class Sign(StrEnum):
    """The first column of a diff's line."""

    KEPT = " "
    REMOVED = "-"
    ADDED = "+"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk, without its first column and its line ending."""

    sign: Sign
    text: str
    marked: bool = True
    """Whether the first column was there: writers drop it on blank and on unindented lines."""
    at_end: bool = False
    """`\\ No newline at end of file` followed."""
    crlf: bool | None = None
    """Whether it ended in "\\r\\n"; None where it cannot tell (blank, or the last of its file or text)."""

    @property
    def bare(self) -> str:
        """The text without trailing blanks, which survive few copies."""
        return self.text.rstrip(" \t")


@dataclass(frozen=True, slots=True)
class Numbers:
    """`-start,count +start,count`, as stated."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together in the file, with what was said about their place."""

    lines: tuple[Line, ...]
    numbers: Numbers | None = None
    headings: tuple[str, ...] = ()
    """What followed the `@@`: lines of the file that the hunk lies below."""

    @property
    def old(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.sign is not Sign.ADDED)

    @property
    def new(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.sign is not Sign.REMOVED)

    @property
    def changed(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.sign is not Sign.KEPT)

    @property
    def counted(self) -> bool:
        """Whether the stated counts are those of the lines."""
        return self.numbers is not None and (len(self.old), len(self.new)) == (
            self.numbers.old_count,
            self.numbers.new_count,
        )

    def unmarked(self) -> Hunk:
        """The other reading of its context: as if the first column had been left out on every line of it."""
        return replace(self, lines=tuple(self._unmarked()))

    def _unmarked(self) -> Iterator[Line]:
        for line in self.lines:
            lost = line.sign is Sign.KEPT and line.marked
            yield replace(line, text=" " + line.text, marked=False) if lost else line

    def __str__(self) -> str:
        return "\n".join(f"{line.sign}{line.text}" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Claim:
    """A header with numbers and all that stands below it up to the next one, bare `@@` lines aside.

    Nothing is trimmed from it: what was read as context may not be, and what was not may be.
    """

    numbers: Numbers | None
    """None for what stands above a file's first numbers."""
    lines: tuple[Line, ...]


class Kind(StrEnum):
    """What becomes of a file."""

    MODIFY = "modify"
    CREATE = "create"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FilePatch:
    """What a proposal says about one file."""

    names: tuple[str, ...]
    """What the path may be, the likeliest first: `a/` may be a prefix or a folder."""
    kind: Kind
    hunks: tuple[Hunk, ...] = ()
    claims: tuple[Claim, ...] = ()
    """The changed lines of `hunks` once more, in the same order, among what the numbers claim about them."""
    whole: tuple[str, ...] | None = None
    """The complete new text, where that was given in place of hunks."""
    ordered: bool = True
    """Whether the hunks come in the order of the file."""
    literal: bool = False
    """Some lines end in "\\r" and some do not: each is meant as it stands, and the "\\r" is part of its text."""
    crlf: bool = False
    """A new file's line ending."""

    @property
    def name(self) -> str:
        return self.names[0]
