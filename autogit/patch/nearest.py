"""What a model needs to mend a hunk: the lines of the file that it probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from autogit.patch.hunk import Hunk

MARGIN = 2


def nearest(hunk: Hunk, lines: Sequence[str]) -> str:
    """The hunk, and the stretch of the file that has most of its lines in their order, with line numbers."""
    said = [line.text.strip() for line in hunk.old]
    real = [line.strip() for line in lines]
    size = max(1, len(said))
    scores: dict[int, int] = {}
    for offset, text in enumerate(said):
        for place in (i for i, line in enumerate(real) if text and line == text):
            start = max(0, min(place - offset, len(real) - size))
            scores[start] = scores.get(start, 0) + 1
    if scores:
        start = max(scores, key=lambda at: (scores[at], -at))
    else:
        alike = [difflib.get_close_matches(text, real, n=1, cutoff=0.5) for text in said if text]
        start = next((real.index(found[0]) for found in alike if found), -1)
    if start < 0:
        return f"{hunk}\n\nNothing in the file is like it."
    return f"{hunk}\n\nThe nearest lines of the file:\n{excerpt(lines, start, start + size)}"


def excerpt(lines: Sequence[str], start: int, stop: int) -> str:
    """Lines start..stop (from 0) and a few around them, numbered from 1."""
    shown = range(max(0, start - MARGIN), min(len(lines), stop + MARGIN))
    return "\n".join(f"{number + 1:>5}  {lines[number]}" for number in shown)
