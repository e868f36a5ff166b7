"""The running trial's loss as it falls, beside the incumbent's curve on the same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autogit.records import Curve
from autogit.report.svg import Scale, points, tag, ticks, words

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 12, 28
"""Margins, in pixels."""
POINTS = 240
"""Most points of the incumbent's curve."""


def running_svg(trial: str, curve: Sequence[tuple[int, float]], against: Curve | None, incumbent: str) -> str:
    """The picture; empty without two points to join."""
    theirs = [] if against is None else _finite(list(zip(against.steps, against.values, strict=True)))
    theirs = theirs[:: max(1, len(theirs) // POINTS)]
    every = [*curve, *theirs]
    if len(every) < 2:
        return ""
    values, last = sorted(value for _, value in every), max(step for step, _ in every)
    # The first reports of a run are often far above all others: they must not flatten what is compared.
    low, high = values[0], values[min(len(values) - 1, math.ceil(0.97 * len(values)))]
    margin = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    y = Scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    x = Scale(min(step for step, _ in every), max(last, 1), LEFT, WIDTH - RIGHT)
    parts = []
    for value in ticks(low, high, 4) if high > low else [low]:
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value)))
        parts.append(tag("text", f"{value:.4g}", x=LEFT - 8, y=y(value) + 4, text_anchor="end"))
    for step in ticks(x.low, x.high, 6, whole=True) if x.high > x.low else []:
        parts.append(tag("text", f"{step:,.0f}", x=x(step), y=HEIGHT - 8, text_anchor="middle"))
    if theirs:
        parts.append(tag("polyline", class_="curve incumbent", points=points((x(s), y(v)) for s, v in theirs)))
    if curve:
        parts.append(tag("polyline", class_="curve running", points=points((x(s), y(v)) for s, v in curve)))
        step, value = curve[-1]
        parts.append(tag("circle", class_="tip", cx=x(step), cy=y(value), r=4))
    label = f"Loss of exp/{trial} by step" + (f", and that of exp/{incumbent} on the same seed" if theirs else "")
    return tag("svg", tag("title", words(label)), *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="falling")


def _finite(curve: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(step, value) for step, value in curve if math.isfinite(value)]
