"""The small charts of the page: slices through a parameter, and one metric against the gain with its Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autogit.records import Record
from autogit.report.facts import Facts
from autogit.report.progress import kind, use
from autogit.report.svg import Scale, points, tag, ticks, words
from autogit.wording import number

WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 24
"""Margins, in pixels."""
DECADES = 20.0
"""Positive values of which the largest is so many times the smallest stand on a logarithmic axis."""
MAX_CATEGORIES = 8
MAX_FRONTS = 3
COSTS = ("seconds", "memory", "params", "flops", "size", "latency", "time")
"""Words in the names of metrics that say what a model costs."""


@dataclass(frozen=True, slots=True)
class Front:
    """One metric against the gain: the trials that nothing beats in both."""

    metric: str
    direction: str
    svg: str
    best: tuple[Record, ...]
    """The trials on the front, the largest gain first."""


def slice_svg(facts: Facts, name: str, tried: Sequence[tuple[Record, object, float]]) -> str:
    """What each value of a parameter gained over what it had to beat, on shared seeds."""
    plain_numbers = [v for _, v, _ in tried if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(plain_numbers) == len(tried) and all(math.isfinite(v) for v in plain_numbers):
        log = min(plain_numbers) > 0 and max(plain_numbers) >= DECADES * min(plain_numbers)
        places = [math.log10(v) if log else float(v) for v in plain_numbers]
        low, high = _widened(places)
        labels = [(t, f"{10**t:.3g}" if log else f"{t:.6g}") for t in ticks(low, high, 3)]
    else:
        names = list(dict.fromkeys(str(v) for _, v, _ in tried))[:MAX_CATEGORIES]
        tried = [each for each in tried if str(each[1]) in names]
        places = [float(names.index(str(v))) for _, v, _ in tried]
        low, high = -0.5, len(names) - 0.5
        labels = [(float(i), text[:10]) for i, text in enumerate(names)]
    told = [f"exp/{r.id}: {name} {v} gave {e:+.3g}{facts.unit}" for r, v, e in tried]
    marks = [(r, x, e, words_) for (r, _, e), x, words_ in zip(tried, places, told, strict=True)]
    return _scatter(f"What each value of {name} gained", marks, (low, high), labels, zero=True)


def fronts(facts: Facts) -> list[Front]:
    """Other metrics against the gain, the configured ones first, then what a model costs."""
    counted = [r for r in facts.history if r.metrics and facts.gained(r) is not None]
    common = [m for m in dict.fromkeys(m for r in counted for m in r.metrics) if m != facts.metric]
    named = [m for m in facts.config.metrics if m in common]
    named += [m for m in common if m not in named and any(word in m.lower() for word in COSTS)]
    found: list[Front] = []
    for metric in named:
        having = [r for r in counted if metric in r.metrics]
        if len(having) >= 4 and len({round(r.metrics[metric], 12) for r in having}) > 2 and len(found) < MAX_FRONTS:
            configured = facts.config.metrics.get(metric)
            found.append(_front(facts, metric, configured.direction if configured else "min", having))
    return found


def _front(facts: Facts, metric: str, direction: str, records: Sequence[Record]) -> Front:
    sign = 1 if direction == "max" else -1
    at = {r.id: (sign * r.metrics[metric], facts.gained(r) or 0.0) for r in records}
    best = [
        r
        for r in records
        if not any(x >= at[r.id][0] and y >= at[r.id][1] and (x, y) != at[r.id] for x, y in at.values())
    ]
    best.sort(key=lambda r: -at[r.id][1])
    marks = [
        (
            r,
            r.metrics[metric],
            at[r.id][1],
            f"exp/{r.id}: {metric} {number(r.metrics[metric])}, {at[r.id][1]:+.3g}{facts.unit}",
        )
        for r in records
    ]
    low, high = _widened([x for _, x, _, _ in marks])
    labels = [(t, f"{t:,.0f}" if abs(t) >= 1e4 else f"{t:.4g}") for t in ticks(low, high, 3)]
    line = [(r.metrics[metric], at[r.id][1]) for r in best]
    svg = _scatter(f"Gain against {metric}, with the Pareto front", marks, (low, high), labels, line=line)
    return Front(metric, direction, svg, tuple(best))


def _scatter(
    label: str,
    marks: Sequence[tuple[Record, float, float, str]],
    across: tuple[float, float],
    labels: Sequence[tuple[float, str]],
    zero: bool = False,
    line: Sequence[tuple[float, float]] = (),
) -> str:
    x = Scale(*across, LEFT, WIDTH - RIGHT)
    values = sorted(value for _, _, value, _ in marks)
    # A value far astray stands at the edge: it must not flatten the others.
    middle = values[len(values) // 10 : len(values) - len(values) // 10] or values
    reach = max(middle) - min(middle)
    low, high = _widened(
        [max(values[0], min(middle) - reach), min(values[-1], max(middle) + reach), *([0.0] if zero else [])]
    )
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = []
    for value in ticks(low, high, 3):
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value)))
        parts.append(tag("text", f"{value:.3g}", x=LEFT - 6, y=y(value) + 4, text_anchor="end"))
    for place, text in labels:
        parts.append(tag("text", words(text), x=x(place), y=HEIGHT - 8, text_anchor="middle"))
    if len(line) > 1:
        parts.append(tag("polyline", class_="provisional", points=points((x(a), y(b)) for a, b in sorted(line))))
    for record, place, value, told in sorted(marks, key=lambda mark: mark[0].accepted):
        parts.append(use(kind(record), x(place), y(value), tag("title", words(told)), data_trial=record.id))
    return tag("svg", tag("title", words(label)), *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="small")


def _widened(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
