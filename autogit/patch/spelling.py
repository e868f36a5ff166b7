"""Lines that are the same but for how they are spelled: tabs for blanks, typographic quotes and dashes, indentation.

Word processors, chat windows and models respell what they copy. A hunk whose context is respelled means the file's own
lines; what it adds is spelled back in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from autogit.patch.hunk import Hunk, Line, Sign

PLAIN = {
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‘’‚‛′´＇", "'"),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    "…": "...", "×": "x", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->",
}  # fmt: skip
"""What stands in plain code for a character that was put in its place."""
_PLAIN = str.maketrans(PLAIN)
USUAL_INDENT = 4
"""Blanks that a tab stands for if the file does not tell."""


def folded(text: str) -> str:
    """Returns a line without its indentation, its odd characters and the width of its blanks."""
    return re.sub(r"[ \t]+", " ", text.translate(_PLAIN)).strip()


def respelled(hunk: Hunk, there: Sequence[str], lines: Sequence[str]) -> Hunk | None:
    """Returns the hunk in the spelling of the file's lines `there`, whose folded texts are those of `hunk.old`.

    None if the indentations of the two do not go together. `lines` is the whole file.
    """
    indents: dict[str, str] = {}
    odd: set[str] = set()
    for line, real in zip(hunk.old, there, strict=True):
        if not line.bare:
            continue
        said = _indent(line.text)
        if indents.setdefault(said, _indent(real)) != _indent(real):
            return None
        odd |= {c for c in line.text if c in PLAIN and c not in real}
    if len(set(indents.values())) != len(indents) or not _go_together(indents):
        return None
    plain = str.maketrans({c: PLAIN[c] for c in odd})
    tab = _tab(indents, lines)
    originals = iter(there)
    made: list[Line] = []
    for line in hunk.lines:
        if line.sign is not Sign.ADDED:
            made.append(replace(line, text=next(originals)))
        elif not line.bare:
            made.append(line)
        else:
            moved = _moved(_indent(line.text), indents, tab)
            if moved is None:
                return None
            made.append(replace(line, text=moved + line.text.lstrip(" \t\u00a0").translate(plain)))
    return replace(hunk, lines=tuple(made))


def _go_together(indents: dict[str, str]) -> bool:
    """Whether one way of indenting was put for another: the same, tabs for blanks, other widths, a shift of all lines.

    A shift by one column is none of them: that is a first column that was lost or doubled.
    """
    pairs = list(indents.items())
    if any("\t" in said + real and said != real for said, real in pairs):
        return True
    shifts = {len(real) - len(said) for said, real in pairs}
    if shifts == {0}:
        return True
    return not shifts & {1, -1} and (len(shifts) == 1 or _scale(indents) != 1)


def _moved(indent: str, indents: dict[str, str], tab: int) -> str | None:
    """The file's indentation for that of an added line, by the nearest line around it that is indented no more."""
    known = max((said for said in indents if indent.startswith(said)), key=len, default=None)
    if known is None:
        # Indented less than all lines around it: by the difference to the one that is indented least.
        least = min(indents, key=len)
        gone = _width(least, tab) - _width(indent, tab)
        real = indents[least]
        if "\t" in real:
            return real[: len(real) - gone // tab] if gone % tab == 0 and gone // tab <= len(real) else None
        return real[: len(real) - gone] if 0 <= gone <= len(real) else None
    rest, real = indent[len(known) :], indents[known]
    tabs = "\t" in real or (not real and "\t" in "".join(indents.values()))
    if "\t" in rest and not tabs:
        return real + rest.expandtabs(tab) if set(rest) == {"\t"} else None
    if rest and "\t" not in rest and tabs:
        return real + "\t" * (len(rest) // tab) if len(rest) % tab == 0 else None
    scaled = len(rest) * _scale(indents)
    return real + rest[:1] * int(scaled) if scaled == int(scaled) else None


def _scale(indents: dict[str, str]) -> Fraction:
    """How many of the file's blanks (or tabs) one of the hunk's is, if that is the same in each line; else 1."""
    if any(set(said + real) > {(said + real)[:1]} for said, real in indents.items() if said or real):
        return Fraction(1)
    scales = {Fraction(len(real), len(said)) if said else None for said, real in indents.items() if said or real}
    found = scales.pop() if len(scales) == 1 else None
    return found if found and 1 in (found.numerator, found.denominator) else Fraction(1)


def _tab(indents: dict[str, str], lines: Sequence[str]) -> int:
    """How many blanks stand for a tab, by the lines that both have, else by the file."""
    for said, real in sorted(indents.items()):
        for tabs, blanks in ((said, real), (real, said)):
            if tabs and set(tabs) == {"\t"} and blanks and set(blanks) == {" "} and len(blanks) % len(tabs) == 0:
                return len(blanks) // len(tabs)
    widths = [len(_indent(line)) for line in lines if line.startswith(" ") and line.strip()]
    return min((width for width in widths if width > 1), default=USUAL_INDENT)


def _width(indent: str, tab: int) -> int:
    return len(indent.expandtabs(tab))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t\u00a0"))].replace("\u00a0", " ")
