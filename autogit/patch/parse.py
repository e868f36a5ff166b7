"""The tolerant reader: any text that has a diff in it -> what the diff says, line by line.

Numbers are noted, never relied on. Nothing that carries a change is skipped: a line with a "+" or "-" below a file's
header either becomes part of a hunk or the whole text is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from autogit.errors import PatchError
from autogit.patch.body import Row, hunk_header, hunk_lines, rows, trimmed
from autogit.patch.header import Header, envelope, git_names, named_pair, same_file
from autogit.patch.header import name as header_name
from autogit.patch.hunk import Claim, FilePatch, Hunk, Kind, Line, Numbers

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})(.*)")
_STRAY = re.compile(r"[+-](?! \S|-|>|\+\+)|\\ No newline")
"""Like a changed line, unlike an item of a list, a rule, an arrow or an option in prose."""
_RULE = re.compile(r"[+-] \S.*|[-+=|>. ]*")
"""What even a diff that lacks lines may be followed by: items of a list, rules, borders of a table."""
_VERSION = re.compile(r"\d+\.\d+[\w.() -]*$")


def parse(text: str) -> tuple[FilePatch, ...]:
    """Every file's part of the unified diff (or apply_patch envelope) in `text`; nothing where it has none.

    Raises PatchError where the text has a diff that cannot be read in one way only.
    """
    return _Reader(rows(text)).read()


@dataclass(slots=True)
class _Draft:
    """A file's part while it is read."""

    header: Header
    crlf_header: bool
    hunks: list[Hunk]
    claims: list[Claim]
    headings: tuple[str, ...] = ()
    """Of hunk headers that have no line below them yet."""


class _Reader:
    def __init__(self, text: list[Row]) -> None:
        self.rows = text
        self.at = 0
        self.drafts: list[_Draft] = []
        self.file: _Draft | None = None
        self.fence = ""

    def read(self) -> tuple[FilePatch, ...]:
        while self.at < len(self.rows):
            if not (self._fence_line() or self._file_header() or self._extended() or self._hunk()):
                self._prose()
        if self.fence and self.drafts and (self.file is None or self._lacking):
            raise PatchError("the text ends inside a code block: it was probably cut off; send the whole diff")
        return tuple(_finish(draft) for draft in self.drafts)

    # ---- one kind of row each: True where the row was of that kind and has been read

    def _fence_line(self) -> bool:
        if not (found := _FENCE.fullmatch(self._text())):
            return False
        if not self.fence:
            self.fence, self.file = found[2], None
            self._dedent(found[1])
        elif self._closes(self._text()):
            after = self._text(1)
            if self.file and after.strip() and after[0] in "+- @":
                raise PatchError(f"line {self.at + 2} follows a closing {found[2]} but looks like part of the diff")
            self.fence, self.file = "", None
        self.at += 1
        return True

    def _dedent(self, indent: str) -> None:
        """Takes the indentation of an opening fence (an item of a list) from what is inside."""
        for i in range(self.at + 1, len(self.rows) if indent else 0):
            row = self.rows[i]
            self.rows[i] = replace(row, text=row.text.removeprefix(indent) if row.text.strip() else "")
            if self._closes(self.rows[i].text):
                break

    def _file_header(self) -> bool:
        text = self._text()
        if text.startswith("diff --git "):
            self._start(Header(git=git_names(text)), 1)
        elif pair := named_pair(text, self._text(1)):
            self._names(pair[0], pair[1], 2)
        elif text.startswith(("--- ", "+++ ")) and self._text(1).startswith("@@"):
            one = header_name(text[4:])
            self._names(one if text[0] == "-" else None, one if text[0] == "+" else None, 1)
        elif found := envelope(text):
            self._start(found, 1)
        else:
            return False
        return True

    def _names(self, old: str | None, new: str | None, size: int) -> None:
        begun = self.file is not None and not self.file.hunks and self.file.header.old is self.file.header.new is None
        if begun and self.file:
            self.at += size
        else:
            self._start(Header(), size)
        assert self.file is not None
        self.file.header.old, self.file.header.new = old, new

    def _start(self, header: Header, size: int) -> None:
        self.file = _Draft(header, self.rows[self.at].crlf, [], [])
        self.drafts.append(self.file)
        self.at += size

    def _extended(self) -> bool:
        if self.file and self._enveloped and self._text().startswith("*** End Patch"):
            self.file = None
        elif not (self.file and not self.file.hunks and self.file.header.extend(self._text())):
            return False
        self.at += 1
        return True

    def _hunk(self) -> bool:
        text = self._text()
        headed = text.startswith("@@")
        if text.startswith("@@@"):
            raise PatchError(f"line {self.at + 1}: a combined diff of a merge; send one against the base alone")
        if headed and self.file is None:
            raise PatchError(
                f"line {self.at + 1}: a hunk that belongs to no file: put `--- a/PATH` and `+++ b/PATH` above it"
            )
        if self.file is None or not (headed or (not self.file.hunks and text[:1] in ("+", "-", " ") and text.strip())):
            return False
        numbers, heading = hunk_header(text) if headed else (None, "")
        self.at += headed
        start = self.at
        while self.at < len(self.rows) and not self._ends_hunk():
            self.at += 1
        body = self.rows[start : self.at]
        if astray := next((row.text for row in body if self._own_header(row.text)), ""):
            raise PatchError(f"a header stands in the middle of a hunk, without its other half: {astray[:80]}")
        headings = (*self.file.headings, *((heading,) if heading else ()))
        if not any(row.text.strip() for row in body):
            if numbers:
                raise PatchError(f"line {self.at}: a hunk without lines: it was probably cut off; send the whole diff")
            self.file.headings = headings
            return True
        self._claim(numbers, hunk_lines(body))
        self.file.hunks.append(Hunk(hunk_lines(trimmed(body)), numbers, headings))
        self.file.headings = ()
        return True

    def _own_header(self, text: str) -> bool:
        """Whether a line that would add or remove something names the file that it stands in."""
        header = self.file.header if self.file else Header()
        own = [name for name in (header.old, header.new, *(header.git or ())) if name]
        return text.startswith(("--- ", "+++ ")) and any(same_file(name, header_name(text[4:])) for name in own)

    def _claim(self, numbers: Numbers | None, lines: tuple[Line, ...]) -> None:
        assert self.file is not None
        claims = self.file.claims
        if numbers or not claims:
            claims.append(Claim(numbers, lines))
        else:
            claims[-1] = replace(claims[-1], lines=claims[-1].lines + lines)

    def _prose(self) -> None:
        text = self._text()
        if self._signature():
            self.file = None
        stray = (text[:1] in ("+", "-") and not _RULE.fullmatch(text)) if self._lacking else False
        if (self.file and text[:1] in ("+", "-")) or (self.drafts and (stray or _STRAY.match(text))):
            raise PatchError(
                f"line {self.at + 1} looks like part of the diff but stands outside of every hunk: {text[:80]}"
            )
        if text.startswith("Binary files ") and text.endswith(" differ"):
            raise PatchError("the diff changes a binary file")
        self.at += 1

    # ---- looking ahead

    def _text(self, ahead: int = 0) -> str:
        return self.rows[self.at + ahead].text if self.at + ahead < len(self.rows) else ""

    def _closes(self, text: str) -> bool:
        found = _FENCE.fullmatch(text)
        # One with a column before it is a line of the hunk: context that holds a fence of its own.
        return bool(found and self.fence and not found[1] and found[2].startswith(self.fence) and not found[3].strip())

    def _ends_hunk(self) -> bool:
        text = self._text()
        if text.startswith(("@@", "diff --git ")) or (text.startswith("*** ") and self._enveloped):
            return True
        if pair := named_pair(text, self._text(1)):
            # A removed "-- x" above an added "++ y" looks the same, but is not followed by a hunk or named alike.
            try:
                alike = bool(Header(*pair).close())
            except PatchError:
                alike = False
            return alike or self._text(2).startswith("@@")
        return self._closes(text) or self._signature()

    @property
    def _lacking(self) -> bool:
        """Whether lines of the last hunk may be missing, for all that its numbers say."""
        hunks = self.drafts[-1].hunks if self.drafts else []
        return not (hunks and hunks[-1].counted)

    @property
    def _enveloped(self) -> bool:
        return self.file is not None and self.file.header.enveloped

    def _signature(self) -> bool:
        """What `git format-patch` ends with."""
        return self._text() in ("-- ", "--") and bool(_VERSION.match(self._text(1)))


def _finish(draft: _Draft) -> FilePatch:
    names, kind = draft.header.close()
    hunks = [hunk for hunk in draft.hunks if hunk.changed]
    if any(line.at_end for hunk in draft.hunks if not hunk.changed for line in hunk.lines):
        raise PatchError(f"{names[0]}: `\\ No newline at end of file` stands in a hunk that changes nothing")
    if kind is Kind.MODIFY and not hunks:
        raise PatchError(f"{names[0]}: no line of it is added or removed")
    endings = {line.crlf for hunk in hunks for line in hunk.lines} - {None}
    starts = [hunk.numbers.old_start for hunk in hunks if hunk.numbers]
    return FilePatch(
        names,
        kind,
        tuple(_each_line(hunk, _with_ending) for hunk in hunks) if len(endings) == 2 else tuple(hunks),
        tuple(draft.claims),
        ordered=starts == sorted(starts),
        literal=len(endings) == 2,
        crlf=endings == {True} and not draft.crlf_header,
    )


def _each_line(hunk: Hunk, change: Callable[[Line], Line]) -> Hunk:
    return replace(hunk, lines=tuple(map(change, hunk.lines)))


def _with_ending(line: Line) -> Line:
    return replace(line, text=line.text + "\r") if line.crlf else line
