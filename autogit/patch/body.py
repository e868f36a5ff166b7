"""The rows of a text, and what those below a hunk's header say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from autogit.errors import PatchError
from autogit.patch.hunk import Line, Numbers, Sign

_NUMBERS = re.compile(r"@@+ *-(\d+)(?:,(\d+))? +\+(\d+)(?:,(\d+))? *(?:@@+)?(.*)")
NO_NEWLINE = re.compile(r"\\ *No newline", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the text as it came, without its ending."""

    text: str
    crlf: bool = False
    last: bool = False
    """Nothing follows, not even a line ending: it cannot tell which ending it would have had."""


def rows(text: str) -> list[Row]:
    """The lines of a text, by "\\n" alone."""
    parts = text.removeprefix("\ufeff").split("\n")
    out = [Row(part.removesuffix("\r"), part.endswith("\r")) for part in parts]
    return [*out[:-1], replace(out[-1], last=True)] if parts[-1] else out[:-1]


def hunk_header(text: str) -> tuple[Numbers | None, str]:
    """What an `@@` line states: its numbers, where it has all four, and the heading that follows."""
    if found := _NUMBERS.match(text):
        a, b, c, d = (int(n) if n else 1 for n in found.groups()[:4])
        return Numbers(a, b, c, d), found[5].strip()
    heading = text.strip("@ \t")
    return None, heading if any(c.isalnum() for c in heading) else ""


def trimmed(body: list[Row]) -> list[Row]:
    """Without the prose and the blank lines that follow the last change, and the blank lines before the first line.

    Only context can be lost by that, and context only narrows down the place.
    """
    last = max((i for i, row in enumerate(body) if row.text[:1] in ("+", "-", "\\")), default=len(body) - 1)
    end = last + 1
    while end < len(body) and (not body[end].text or body[end].text[0] in " \\"):
        end += 1
    if not any(row.text[:1] not in ("+", "\\") and row.text.strip() for row in body[:end]):
        # All that could tell the place: lines below the change that have lost their first column.
        while end < len(body) and body[end].text.strip():
            end += 1
    body = body[:end]
    while body and not body[-1].text:
        body.pop()
    while body and not body[0].text:
        body.pop(0)
    return body


def hunk_lines(body: list[Row]) -> tuple[Line, ...]:
    """The rows as lines of a hunk. Raises PatchError for a marker that belongs to none."""
    lines: list[Line] = []
    for row in body:
        if NO_NEWLINE.match(row.text):
            if not lines:
                raise PatchError("`\\ No newline at end of file` stands below no line; it follows the file's last line")
            lines[-1] = replace(lines[-1], at_end=True, crlf=None)
            continue
        marked = row.text[:1] in ("+", "-", " ") and bool(row.text)
        sign, text = (Sign(row.text[0]), row.text[1:]) if marked else (Sign.KEPT, row.text)
        lines.append(Line(sign, text, marked, crlf=row.crlf if row.text and not row.last else None))
    return tuple(lines)
