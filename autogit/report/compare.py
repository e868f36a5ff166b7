"""Two or three trials side by side: by the seeds that they share, and not by means over different ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

from autogit.records import Curve, Record


@dataclass(frozen=True, slots=True)
class Paired:
    """One metric of two trials on the seeds that both ran."""

    metric: str
    seeds: tuple[int, ...]
    first: float
    """Mean of the first trial on these seeds."""
    second: float
    difference: float
    """Second minus first."""
    error: float | None
    """Standard error of the difference; None with one seed."""


def paired(first: Record, second: Record) -> list[Paired]:
    """Every metric that both have on shared seeds, in the first one's order; empty without a shared seed."""
    runs = [
        (mine, other)
        for mine in first.runs
        if mine.status.counts and (other := second.run(mine.seed)) is not None and other.status.counts
    ]
    found = []
    for metric in dict.fromkeys(name for mine, _ in runs for name in mine.metrics):
        pairs = [
            (mine.seed, mine.metrics[metric], other.metrics[metric])
            for mine, other in runs
            if metric in mine.metrics and metric in other.metrics
        ]
        if pairs:
            differences = [b - a for _, a, b in pairs]
            error = stdev(differences) / math.sqrt(len(pairs)) if len(pairs) > 1 else None
            seeds = tuple(seed for seed, _, _ in pairs)
            found.append(
                Paired(
                    metric,
                    seeds,
                    fmean(a for _, a, _ in pairs),
                    fmean(b for _, _, b in pairs),
                    fmean(differences),
                    error,
                )
            )
    return found


def curves_to_compare(curves: Sequence[Sequence[Curve]]) -> list[Curve | None]:
    """A curve of each trial, all of one seed if there is one that all have, else each one's latest."""
    seeds = [{curve.seed for curve in of_one} for of_one in curves]
    shared = set.intersection(*seeds) if seeds else set()
    wanted = max(shared) if shared else None
    return [
        next((c for c in reversed(of_one) if wanted is None or c.seed == wanted), None) if of_one else None
        for of_one in curves
    ]


BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of characters: which line each cell belongs to, and its character."""

    rows: tuple[tuple[tuple[str, int], ...], ...]
    """(character, number of the line that it belongs to, -1 for none), row by row."""
    low: float
    high: float
    first: int
    last: int


def plot(lines: Sequence[tuple[Sequence[int], Sequence[float]]], columns: int, rows: int) -> Plot | None:
    """Draws (steps, values) lines with braille dots, two by four to a character; None if there is nothing to draw."""
    points = [(s, v) for steps, values in lines for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    if not points:
        return None
    first, last = min(s for s, _ in points), max(s for s, _ in points)
    low, high = min(v for _, v in points), max(v for _, v in points)
    width, height = 2 * columns, 4 * rows
    bits = [[0] * columns for _ in range(rows)]
    owner = [[-1] * columns for _ in range(rows)]
    for number, (steps, values) in enumerate(lines):
        places = [
            ((s - first) / ((last - first) or 1) * (width - 1), (high - v) / ((high - low) or 1) * (height - 1))
            for s, v in zip(steps, values, strict=True)
            if math.isfinite(v)
        ]
        for x, y in _joined(places):
            bits[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
            owner[y // 4][x // 2] = number
    drawn = tuple(
        tuple((chr(BRAILLE + bits[r][c]) if bits[r][c] else " ", owner[r][c]) for c in range(columns))
        for r in range(rows)
    )
    return Plot(drawn, low, high, first, last)


def _joined(places: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The dots of straight lines from place to place."""
    found = [(round(x), round(y)) for x, y in places[:1]]
    for (x0, y0), (x1, y1) in pairwise(places):
        count = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
        found += [(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count)) for i in range(1, count + 1)]
    return found
