"""The course of a lab as a picture: a mark for every trial, the proved line, the provisional one, and the noise.

Up is better, whatever the metric: a trial stands as far from the line as it was from what it had to beat, on the seeds
that both had. Means over different seeds are never drawn beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autogit.records import GAIN, HIGH, LOW, Curve, Record, RunStatus
from autogit.report.facts import Facts
from autogit.report.svg import Scale, asset, points, tag, ticks, words
from autogit.wording import number

WIDTH, HEIGHT = 960, 380
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 16, 36
"""Margins, in pixels."""
STRIP = 34
"""Height, in pixels, of the strip below for trials without a number."""
SPREAD = 4.0
"""Values farther from the proved line's range than this many times its height stand at the edge."""

SHAPES = {
    "baseline": "M0-6 6 0 0 6-6 0Z",
    "accepted": "M-5.5 0A5.5 5.5 0 1 1 5.5 0A5.5 5.5 0 1 1-5.5 0Z",
    "kept": "M0-5.5A5.5 5.5 0 0 1 0 5.5ZM-1-5.5A5.5 5.5 0 0 0-1 5.5Z",
    "rejected": "M-3.2 0A3.2 3.2 0 1 1 3.2 0A3.2 3.2 0 1 1-3.2 0Z",
    "pruned": "M-4-3H4L0 4Z",
    "unstable": "M-4 3-1.5-3.5 1 3 4-3.5",
    "crashed": "M-4-4 4 4M-4 4 4-4",
    "timed-out": "M-4-4H4L-4 4H4Z",
    "invalid": "M-3.5-3.5H3.5V3.5H-3.5Z",
    "superseded": "M0-4.5V4.5M-4.5 0H4.5",
}
"""One shape for each verdict, around its own middle; a verdict without one gets the square."""

EXPLAINED = {
    "baseline": "the unchanged code",
    "accepted": "accepted",
    "kept": "kept, not proved yet",
    "rejected": "not better",
    "pruned": "stopped early, where it stood then",
    "unstable": "diverged",
    "crashed": "crashed",
    "timed-out": "ran out of time",
    "invalid": "never ran",
    "superseded": "beat an older main",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One trial. Coordinates in pixels, from the upper left."""

    record: Record
    x: float
    y: float
    value: float | None
    """Gain over the first baseline in the shown unit; for a stopped run, where it stood; None without a number."""
    outside: bool
    """Its value is beyond the picture: the mark stands at the edge."""
    told: str
    """What it says when it is pointed at."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything that is drawn."""

    marks: tuple[Mark, ...]
    proved: tuple[tuple[float, float], ...]
    """(place, y) of the corners of the line of accepted trials; places count trials from 0."""
    provisional: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float, float], ...]
    """(place, upper y, lower y): one standard deviation of a difference of two runs around the line."""
    intervals: tuple[tuple[str, float, float, float], ...]
    """(trial, place, y, y): the 95% interval of what an accepted trial gained."""
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    last: int
    """The place of the last trial."""


def kind(record: Record) -> str:
    """The style class of a trial's verdict."""
    return "baseline" if record.trial.is_baseline else record.verdict.value.replace(" ", "-")


def progress(facts: Facts) -> Progress | None:
    """The picture of a history; None if there is no trial yet."""
    history = facts.history
    records = list(history)
    if not records:
        return None
    values = {record.id: found for record in records if (found := standing(facts, record)) is not None}
    line = _line(facts, records)
    low, high = _range([value for _, value in line], [value for value, _ in values.values()])
    last = max(1, len(records) - 1)
    y = Scale(low, high, HEIGHT - BOTTOM - STRIP, TOP)
    x = Scale(0, last, LEFT, WIDTH - RIGHT)
    marks = []
    for place, record in enumerate(records):
        found = values.get(record.id)
        value, told = found if found is not None else (None, record.reason)
        where = y(value) if value is not None else HEIGHT - BOTTOM - STRIP / 2 + 4
        outside = value is not None and not y.holds(value)
        ending = " (beyond the picture)" if outside else ""
        marks.append(
            Mark(
                record, x(place), where, value, outside,
                f"exp/{record.id} {_called(record)}: {record.trial.title}. {told}{ending}",
            )
        )  # fmt: skip
    stairs = tuple((place, y(value)) for place, value in _corners(line, last))
    half = (facts.noise or 0.0) * facts.scale
    corners = _corners(line, last)
    band = tuple((place, y(value + half), y(value - half)) for place, value in corners) if half else ()
    intervals = tuple(_intervals(facts, records, y))
    across = tuple((place, f"{place:g}") for place in ticks(0, last, whole=True))
    up = tuple(
        (y(value), f"{value:+.6g}{'%' if facts.unit == '%' else ''}" if value else "0") for value in ticks(low, high)
    )
    kept = [(place, values[r.id][0]) for place, r in enumerate(records) if r.id in values and r.verdict.value == "kept"]
    provisional = tuple((place, y(value)) for place, value in _corners(kept, last))
    return Progress(tuple(marks), stairs, provisional, band, intervals, across, up, last)


def standing(facts: Facts, record: Record) -> tuple[float, str] | None:
    """Where a trial stands over the first baseline, in the shown unit, and in words; None if nothing tells."""
    gained = facts.gained(record)
    if gained is not None:
        base = facts.history.at(record.trial.base)
        effect = facts.effect(record)
        words = f"{gained:+.3g}{facts.unit} over the baseline"
        if effect is not None and base is not None:
            words = f"{effect:+.3g}{facts.unit} against exp/{base.id} on the same seeds"
            if base.trial.id != (facts.history.baseline or base).id:
                words += f", {gained:+.3g}{facts.unit} over the baseline"
        if record.trial.is_baseline:
            words = f"{facts.metric} {number(facts.history.value(record))}, what the others are held against"
        return gained, words
    stopped = _stopped(facts, record)
    base = facts.history.at(record.trial.base)
    start = facts.gained(base) if base is not None else None
    if stopped is None or start is None or base is None:
        return None
    behind, step = stopped
    where = "behind" if behind < 0 else "ahead of"
    return start + behind, f"stopped at step {step}, {abs(behind):.3g}% {where} exp/{base.id} there"


def _stopped(facts: Facts, record: Record) -> tuple[float, int] | None:
    """How much better, in percent, a stopped run's curve was than that of what it was held against, and at which step.

    Negative if it was behind.
    """
    run = next((run for run in record.runs if run.status in (RunStatus.PRUNED, RunStatus.UNSTABLE)), None)
    base = facts.history.at(record.trial.base)
    if run is None or base is None:
        return None
    mine = curve_of(facts.curves.get(record.id, ()), run.seed)
    theirs = curve_of(facts.curves.get(base.id, ()), run.seed)
    if mine is None or theirs is None or not mine.steps or mine.metric != theirs.metric:
        return None
    then = [value for step, value in zip(theirs.steps, theirs.values, strict=True) if step <= mine.steps[-1]]
    if not then or not then[-1]:
        return None
    rising = mine.metric == facts.metric and facts.config.metric.direction == "max"
    difference = (mine.values[-1] - then[-1]) if rising else (then[-1] - mine.values[-1])
    return 100 * difference / abs(then[-1]), mine.steps[-1]


def curve_of(curves: Sequence[Curve], seed: int) -> Curve | None:
    """The curve of one seed; the later one if it was repeated."""
    return next((curve for curve in reversed(curves) if curve.seed == seed), None)


def _line(facts: Facts, records: Sequence[Record]) -> list[tuple[int, float]]:
    """(place, gain) of each accepted trial."""
    return [
        (place, gained)
        for place, record in enumerate(records)
        if record.accepted and (gained := facts.gained(record)) is not None
    ]


def _corners(line: Sequence[tuple[int, float]], last: int) -> list[tuple[float, float]]:
    if not line:
        return []
    corners: list[tuple[float, float]] = [line[0]]
    for (_, before), (place, value) in pairwise(line):
        corners += [(place, before), (place, value)]
    return [*corners, (last, line[-1][1])]


def _intervals(facts: Facts, records: Sequence[Record], y: Scale) -> list[tuple[str, float, float, float]]:
    found = []
    for place, record in enumerate(records):
        statistics, at = record.statistics, facts.gained(record)
        if (
            record.accepted
            and not record.trial.is_baseline
            and at is not None
            and {GAIN, LOW, HIGH} <= statistics.keys()
        ):
            down, up = ((statistics[end] - statistics[GAIN]) * facts.scale for end in (LOW, HIGH))
            found.append((record.id, float(place), y(at + down), y(at + up)))
    return found


def _range(line: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """What the picture spans: a trial that went far astray must not flatten all others."""
    core = list(line) or list(values) or [0.0]
    values = values or core
    span = (max(core) - min(core)) or max(1.0, abs(max(values) - min(values)) / SPREAD / 2)
    low = max(min([*values, *core]), min(core) - SPREAD * span / 2)
    high = min(max([*values, *core]), max(core) + SPREAD * span)
    margin = 0.06 * ((high - low) or span)
    return low - margin, high + margin


def _called(record: Record) -> str:
    return "baseline" if record.trial.is_baseline else str(record.verdict)


def shapes() -> str:
    """The shapes, each once, to be used by every mark and by the legend."""
    return tag("defs", *(tag("path", id=f"s-{name}", d=path) for name, path in SHAPES.items()))


def use(record_kind: str, x: float, y: float, *inside: str, **attributes: object) -> str:
    """A mark of this kind."""
    shape = record_kind if record_kind in SHAPES else "invalid"
    return tag("use", *inside, class_=f"m {record_kind}", href=f"#s-{shape}", x=x, y=y, **attributes)


def progress_svg(facts: Facts, alone: bool = False, dark: bool = True) -> str:
    """The picture as SVG: part of the page, or `alone` a file of its own, with its title, legend and colours."""
    drawn = progress(facts)
    if drawn is None:
        return ""
    x = Scale(0, drawn.last, LEFT, WIDTH - RIGHT)
    floor = HEIGHT - BOTTOM - STRIP
    parts = []
    for y, label in drawn.up:
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(tag("text", words(label), x=LEFT - 8, y=y + 4, text_anchor="end"))
    ticks_ = "".join(
        tag("text", label, x=x(place), y=HEIGHT - 12, text_anchor="middle") for place, label in drawn.across
    )
    parts.append(tag("g", ticks_, class_="across"))
    parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=floor + 6, y2=floor + 6))
    inner = []
    if drawn.band:
        there = [(place, above) for place, above, _ in drawn.band]
        back = [(place, below) for place, _, below in reversed(drawn.band)]
        inner.append(_line_of("polygon", "band", [*there, *back], x))
    inner.append(_line_of("polyline", "provisional", drawn.provisional, x))
    inner.append(_line_of("polyline", "proved", drawn.proved, x))
    for trial, place, low, high in drawn.intervals:
        inner.append(
            tag(
                "line", class_="interval", data_place=place, data_trial=trial, x1=x(place), x2=x(place), y1=low, y2=high
            )
        )
    ordered = sorted(enumerate(drawn.marks), key=lambda pair: pair[1].record.accepted)
    for place, mark in ordered:
        inner.append(
            use(
                kind(mark.record),
                mark.x,
                mark.y,
                tag("title", words(mark.told)),
                data_place=place,
                data_trial=mark.record.id,
            )
        )
    parts.append(tag("g", *inner, class_="marks"))
    if any(mark.value is None for mark in drawn.marks):
        parts.append(tag("text", "no number", x=LEFT - 8, y=HEIGHT - BOTTOM - STRIP / 2 + 8, text_anchor="end"))
    head, offset = "", 0
    if alone:
        offset = 66
        parts = [tag("g", *parts, transform=f"translate(0 {offset})")]
        head = tag("style", asset("chart.css") + (asset("chart-dark.css") if dark else "")) + _heading(facts, drawn)
    label = f"Gain over the baseline of every trial of {facts.lab}, and the line of accepted changes"
    return tag(
        "svg", tag("title", words(label)), shapes(), head, *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT + offset}", role="img", class_="progress",
        width=WIDTH if alone else None, height=HEIGHT + offset if alone else None, data_last=drawn.last,
        data_left=LEFT, data_right=RIGHT, data_height=HEIGHT,
    )  # fmt: skip


def _line_of(name: str, class_: str, places: Sequence[tuple[float, float]], x: Scale) -> str:
    if not places:
        return ""
    return tag(name, class_=class_, points=points((x(p), y) for p, y in places), data_places=points(places))


def _heading(facts: Facts, drawn: Progress) -> str:
    from autogit.report.headline import headline

    kinds = list(dict.fromkeys(kind(mark.record) for mark in drawn.marks))
    left, entries = LEFT, []
    for name in kinds:
        text = EXPLAINED.get(name, name)
        entries += [use(name, left, 50), tag("text", words(text), x=left + 10, y=54)]
        left += 24 + round(5.6 * len(text))
    title = tag(
        "text", words(f"{facts.lab}: {headline(facts)}"), x=LEFT, y=26, style="font:600 15px system-ui,sans-serif"
    )
    return title + "".join(entries)


def counts(facts: Facts) -> dict[str, int]:
    """How many trials each verdict has, in the order of `SHAPES`; baselines are not counted."""
    found = [kind(record) for record in facts.history]
    names = [*SHAPES, *sorted({name for name in found if name not in SHAPES})]
    return {name: found.count(name) for name in names if name in found and name != "baseline"}
