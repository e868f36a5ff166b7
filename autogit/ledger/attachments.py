"""The texts of the log and curve notes: several trials can share one commit, so each part carries its trial's id."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import pairwise

from autogit.records import Curve

LOG_BYTES = 256 * 1024
"""Most of a trial's log that is kept: half from its head, half from its tail."""
CURVE_POINTS = 1000
"""Most points that are kept of one curve, evenly chosen; the last always is."""

Parts = dict[str, str]
"""Trial id -> its text."""

_HEADER = re.compile(r"# autogit trial (\S+), (\d+) characters\n")


def parse(text: str) -> Parts:
    """The parts of a note. Text that is no part of any trial is under the empty id."""
    parts: Parts = {}
    position = 0
    while position < len(text):
        match = _HEADER.match(text, position)
        if match is None:
            found = _HEADER.search(text, position)
            end = found.start() if found else len(text)
            parts[""] = parts.get("", "") + text[position:end]
            position = end
            continue
        end = match.end() + int(match[2][:12])
        parts[match[1]] = text[match.end() : end]
        position = end + (text[end : end + 1] == "\n")
    return parts


def format(parts: Parts) -> str:
    """The note of these parts."""
    return parts.get("", "") + "".join(
        f"# autogit trial {id}, {len(text)} characters\n{text}\n" for id, text in parts.items() if id
    )


def join(ours: str, theirs: str, base: str = "") -> str:
    """The parts of both; of two texts of one trial the longer, which holds more runs."""
    mine, other = parse(ours), parse(theirs)
    for id, text in other.items():
        if (len(text), text) > (len(mine.get(id, "")), mine.get(id, "")):
            mine[id] = text
    return format(mine)


def join_curves(ours: str, theirs: str, base: str = "") -> str:
    """Returns the curves of both: every run's once, of two of one run the longer."""
    mine = parse(ours)
    for id, text in parse(theirs).items():
        lines = [*mine.get(id, "").split("\n"), *text.split("\n")]
        longest = {_run_of(line): line for line in sorted(filter(None, lines), key=lambda line: (len(line), line))}
        mine[id] = "\n".join(sorted(longest.values()))
    return format(mine)


def _run_of(line: str) -> str:
    """What a line tells of: the seed and the metric of its curve, or only itself if it is no curve."""
    return line.partition('"steps"')[0]


def bounded(log: str) -> str:
    """A log within LOG_BYTES, with a line that says how much is left out in the middle."""
    body = log.encode("utf-8", "replace")
    if len(body) <= LOG_BYTES:
        return body.decode()
    head, tail = body[: LOG_BYTES // 2], body[-LOG_BYTES // 2 :]
    between = f"\n[{len(body) - LOG_BYTES} bytes left out]\n"
    return head.decode("utf-8", "ignore") + between + tail.decode("utf-8", "ignore")


def format_curves(curves: Sequence[Curve]) -> str:
    """One line of JSON for each curve."""
    return "\n".join(json.dumps({"seed": c.seed, "metric": c.metric, "steps": c.steps, "values": c.values})
                     for c in map(_thinned, curves))  # fmt: skip


def parse_curves(text: str) -> tuple[Curve, ...]:
    """Returns the curves that `format_curves` wrote; a line that is none is left out."""
    found = (_curve(line) for line in text.split("\n") if line)
    return tuple(curve for curve in found if curve is not None)


def _curve(line: str) -> Curve | None:
    try:
        table = json.loads(line)
        curve = Curve(table["seed"], table["metric"], tuple(table["steps"]), tuple(table["values"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    steps, values = curve.steps, curve.values
    good = (
        type(curve.seed) is int and isinstance(curve.metric, str) and len(steps) == len(values) <= CURVE_POINTS
        and all(type(step) is int and abs(step) < 1 << 63 for step in steps)
        and all(type(value) in (int, float) and abs(value) < math.inf for value in values)
        and all(a < b for a, b in pairwise(steps))
    )  # fmt: skip
    return curve if good else None


def _thinned(curve: Curve) -> Curve:
    count = len(curve.steps)
    if count <= CURVE_POINTS:
        return curve
    chosen = [i * (count - 1) // (CURVE_POINTS - 1) for i in range(CURVE_POINTS)]
    return Curve(
        curve.seed, curve.metric, tuple(curve.steps[i] for i in chosen), tuple(curve.values[i] for i in chosen)
    )
