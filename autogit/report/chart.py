"""The course of a lab as a picture: every trial's metric, and the incumbent's as a staircase. Pure SVG geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autogit.history import History
from autogit.records import Record

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 36
"""Margins, in pixels."""
SPREAD = 4.0
"""Values farther from the incumbents' range than this many times its height stand at the edge."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One trial. Coordinates in pixels, from the upper left."""

    record: Record
    x: float
    y: float
    outside: bool
    """Its value is beyond the picture: the mark stands at the edge."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the page draws."""

    marks: tuple[Mark, ...]
    stairs: str
    """The incumbent's metric from trial to trial: points of an SVG polyline."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    missing: int
    """Trials without a metric, which have no mark."""


def chart(history: History) -> Chart | None:
    """The picture of a history; None where nothing has a metric yet."""
    values = _values(history)
    shown = [(place, record, values[record.id]) for place, record in enumerate(history) if record.id in values]
    if not shown:
        return None
    low, high = _range(history, [value for _, _, value in shown])
    last = max(1, len(history) - 1)

    def x(place: float) -> float:
        return round(LEFT + place / last * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    marks = tuple(Mark(record, x(place), y(value), not low <= value <= high) for place, record, value in shown)
    steps = [(place, value) for place, record, value in shown if record.accepted]
    corners = [f"{x(steps[0][0])},{y(steps[0][1])}"] if steps else []
    for (_, before), (place, value) in pairwise(steps):
        corners += [f"{x(place)},{y(before)}", f"{x(place)},{y(value)}"]
    if steps:
        corners.append(f"{x(last)},{y(steps[-1][1])}")
    across = tuple(Tick(x(place), f"{place:g}") for place in ticks(0, last, whole=True))
    up = tuple(Tick(y(value), f"{value:.6g}") for value in ticks(low, high))
    return Chart(marks, " ".join(corners), across, up, len(history) - len(shown))


def _values(history: History) -> dict[str, float]:
    """Where each trial stands, by its id: a dead one as far from what it had to beat as it was on the same seeds."""
    values = {record.id: value for record in history if (value := history.value(record)) is not None}
    sign = 1 if history.metric.direction == "max" else -1
    for id, effect in history.effects().items():
        base = history.at(history[id].trial.base)
        if history[id].verdict.dead and base is not None:
            values[id] = values[base.id] + sign * effect
    return values


def ticks(low: float, high: float, count: int = 6, whole: bool = False) -> list[float]:
    """Round numbers between `low` and `high`, both included where they are round; about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(history: History, values: Sequence[float]) -> tuple[float, float]:
    """What the picture spans: a trial that went far astray must not flatten all others."""
    core = [value for record in history if record.accepted and (value := history.value(record)) is not None]
    core = core or list(values)
    span = (max(core) - min(core)) or abs(core[0]) * 0.02 or 1.0
    low = max(min(values), min(core) - SPREAD * span)
    high = min(max(values), max(core) + SPREAD * span)
    margin = 0.06 * ((high - low) or span)
    return low - margin, high + margin
