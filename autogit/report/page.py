"""The page: one HTML file that needs nothing else, so that it can be sent, archived and read anywhere."""

from __future__ import annotations

import json
import math
from typing import Any

from autogit.records import Curve
from autogit.report.facts import Facts
from autogit.report.headline import cards, headline
from autogit.report.parts import Part, near_misses, parts, slices, surprises
from autogit.report.progress import EXPLAINED, counts, kind, progress_svg, use
from autogit.report.small import fronts, slice_svg
from autogit.report.svg import asset, tag, words
from autogit.wording import duration, number, percent, plain

MAX_SLICES = 6
MAX_PARTS = 40
"""Rows of the table of parts; the ones that were tried less are left to `autogit trends`."""
CURVE_POINTS = 80
"""Most points of a curve on the page, evenly chosen; the first and the last always are."""
CURVE_BYTES = 900_000
"""What all curves on the page may take: beyond it each has fewer points."""
DIFF_BYTES = 600_000
"""What all diffs on the page may take together."""
TEXT = 400
"""Characters of a trial's rationale or reason in its row; `autogit show` has the whole."""


def page(facts: Facts) -> str:
    """The report as HTML."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"number": number, "percent": percent, "duration": duration, "kind": kind}
    history = facts.history
    chosen = list(slices(facts).items())[:MAX_SLICES]
    moves = parts(facts)
    sizes = sorted(abs(effect) for part in moves for effect in part.effects)
    reach = sizes[int(0.8 * (len(sizes) - 1))] if sizes else 0.0
    return environment.from_string(asset("page.html")).render(
        facts=facts,
        history=history,
        headline=headline(facts),
        cards=cards(facts),
        counts=counts(facts),
        explained=EXPLAINED,
        legend={name: Markup(use(name, 8, 8)) for name in ["baseline", *counts(facts)]},
        chart=Markup(progress_svg(facts)),
        accepted=history.accepted,
        diffs=_diffs(facts),
        parts=moves[:MAX_PARTS],
        strip=lambda part: Markup(_strip(part, reach or 1.0)),
        reach=reach or 1.0,
        slices={name: Markup(slice_svg(facts, name, tried)) for name, tried in chosen},
        fronts=[(front, Markup(front.svg)) for front in fronts(facts)],
        missed=near_misses(facts),
        surprises=surprises(facts),
        best=facts.best(),
        trials=list(history),
        effect=lambda record: _signed(facts, facts.effect(record)),
        sort_key=lambda record: facts.effect(record),
        cut=lambda text: text if len(text) <= TEXT else text[: TEXT - 1] + "…",
        style=Markup(asset("page.css") + asset("chart.css")),
        script=Markup(asset("page.js")),
        data=Markup(_data(facts)),
    )


def _strip(part: Part, reach: float) -> str:
    """Each trial of a part as a stroke, their median as a dot, its interval; what is beyond stands at the edge."""

    def x(value: float) -> float:
        return round(100 + 100 * min(max(value / reach, -1.0), 1.0), 1)

    drawn = [tag("path", class_="grid", d="M100 0V20")]
    if part.interval is not None:
        drawn.append(tag("path", class_="whisker", d=f"M{x(part.interval[0])} 10H{x(part.interval[1])}"))
    drawn.append(tag("path", class_="ticks", d="".join(f"M{x(effect)} 4V16" for effect in part.effects)))
    if part.effect is not None:
        drawn.append(tag("circle", class_="dot", cx=x(part.effect), cy=10, r=3.5))
    return tag("svg", *drawn, viewBox="-5 0 210 20", class_="strip", aria_hidden="true")


def _signed(facts: Facts, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:+.2f}%" if facts.unit == "%" else f"{value:+.4g}"


def _diffs(facts: Facts) -> dict[str, list[tuple[str, str]]]:
    """The lines of each accepted change with their style; a very long one is cut, and says so."""
    room = DIFF_BYTES // max(1, len(facts.diffs))
    found = {}
    for trial, diff in facts.diffs.items():
        lines = diff[:room].splitlines()
        if len(diff) > room:
            lines.append(f"… {len(diff) - room:,} more characters: git show exp/{trial}")
        found[trial] = [(_line_class(line), line) for line in lines]
    return found


def _line_class(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "h"
    return {"+": "a", "-": "d", "@": "h"}.get(line[:1], "")


def _data(facts: Facts) -> str:
    """What the script needs beside the page itself, as JSON that cannot end its element."""
    history = facts.history
    count = sum(len(curves) for curves in facts.curves.values()) or 1
    room = max(8, min(CURVE_POINTS, CURVE_BYTES // (count * 15)))
    trials: dict[str, Any] = {}
    for record in history:
        base = history.at(record.trial.base)
        trials[record.id] = {
            "title": plain(record.trial.title),
            "kind": kind(record),
            "base": None if base is None or record.trial.is_baseline else base.id,
            "curves": [_curve(curve, room) for curve in facts.curves.get(record.id, ())],
        }
    best = facts.best()
    value = {
        "metric": facts.metric,
        "best": None if best is None else best.id,
        "baseline": None if history.baseline is None else history.baseline.id,
        "trials": trials,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _curve(curve: Curve, room: int) -> list[Any]:
    """[seed, metric, steps, values], thinned."""
    places = range(len(curve.steps))
    if len(curve.steps) > room:
        places_ = sorted({i * (len(curve.steps) - 1) // (room - 1) for i in range(room)})
    else:
        places_ = list(places)
    kept = [i for i in places_ if math.isfinite(curve.values[i])]
    return [curve.seed, curve.metric, [curve.steps[i] for i in kept], [_short(curve.values[i]) for i in kept]]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def card(facts: Facts) -> str:
    """A small piece of HTML for a notebook."""
    return f"<div><p><b>{words(facts.lab)}</b>: {words(headline(facts))}</p>{progress_svg(facts, alone=True)}</div>"
