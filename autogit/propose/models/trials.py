"""What was tried, for a prompt: every trial in as much detail as there is room for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autogit.history import History
from autogit.propose.models.quote import inline, tokens
from autogit.protocols import Revisions
from autogit.records import SIGMA, Curve, Record, Verdict

GROUP_COUNTS = (20, 8, 3, 0)
"""Kinds of moves that a summary tells apart, as many as there is room for."""
NEAR_MISS_SIGMAS = 2.0
"""A rejected trial within so many standard deviations of one run's noise of its incumbent is a near miss."""
DETAILED_TRIALS = 60
"""Trials whose diffs and curves are read: a prompt must not take longer to make the more trials there are."""
LATEST_TRIALS = 3
"""The latest trials are told in full, whatever became of them."""
SHORT_DIFF_LINES = 8
WHOLE_DIFF_LINES = 60
CURVE_POINTS = 6
STOPPED = (Verdict.PRUNED, Verdict.UNSTABLE)


def tried(history: History, revisions: Revisions, room: int) -> str:
    """Returns a list of the trials, oldest first, in at most about `room` tokens.

    If it is too long, the oldest and least informative lose first their details and then their line: what remains of
    them is a count for each kind of move. The latest and the accepted trials tell most, then near misses, failures,
    and rejected ones.
    """
    noise = run_noise(history)
    records = [r for r in history if not r.trial.is_baseline]
    entries = [_Entry(r, history, revisions, noise, i >= len(records) - LATEST_TRIALS) for i, r in enumerate(records)]
    if not entries:
        return "Nothing yet: yours is the first proposal.\n"
    by_worth = sorted(range(len(entries)), key=lambda i: (entries[i].rank, -i))
    shown = [""] * len(entries)
    left = room
    groups = next((n for n in GROUP_COUNTS if tokens(_folded(entries, n)) <= left), 0)
    left -= tokens(_folded(entries, groups))
    # A line for everyone goes before details for anyone: what was tried must not be tried again.
    steps: list[tuple[Callable[[_Entry], str], list[int]]] = [
        (_Entry.line, by_worth),
        (_Entry.details, by_worth[:DETAILED_TRIALS]),
        (_Entry.whole, [i for i in by_worth[:DETAILED_TRIALS] if entries[i].telling]),
    ]
    for told, places in steps:
        for i in places:
            text = told(entries[i])
            cost = tokens(text) - tokens(shown[i])
            if cost > left:
                break
            shown[i], left = text, left - cost
    folded = [entry for entry, text in zip(entries, shown, strict=True) if not text]
    return (_folded(folded, groups) if folded else "") + "".join(shown)


def paired_noise(history: History) -> float | None:
    """Returns the standard deviation of a difference between two runs, as last measured; None while unknown.

    It is in the metric's unit; None if a composite is compared.
    """
    if history.metric.objective != "primary":
        return None
    return next((r.statistics[SIGMA] for r in reversed(list(history)) if r.statistics.get(SIGMA)), None)


def run_noise(history: History) -> float | None:
    """Returns the standard deviation of one run's metric, as far as the pairs tell; None while unknown."""
    noise = paired_noise(history)
    return None if noise is None else noise / math.sqrt(2)


def by_seed(record: Record, against: Record | None, name: str) -> str:
    """Returns the metric of each run, beside the run with the same seed that it was held against."""
    shown = []
    for run in record.runs:
        if name not in run.metrics:
            continue
        other = against.run(run.seed) if against else None
        beside = f" / {other.metrics[name]:.6g}" if other is not None and name in other.metrics else ""
        shown.append(f"{run.seed}: {run.metrics[name]:.6g}{beside}")
    return ", ".join(shown[:12])


def beside(curves: Sequence[Curve], others: Sequence[Curve]) -> tuple[str, int, str] | None:
    """Returns (series, seed, points) of a curve beside the one of the same seed; None without such a pair."""
    for curve in curves:
        other = next((o for o in others if o.seed == curve.seed and o.metric == curve.metric), None)
        if other is None:
            continue
        at = dict(zip(other.steps, other.values, strict=True))
        points = [(s, v, at[s]) for s, v in zip(curve.steps, curve.values, strict=True) if s in at]
        if points:
            count = min(CURVE_POINTS, len(points))
            picked = [points[i * (len(points) - 1) // max(1, count - 1)] for i in range(count)]
            return curve.metric, curve.seed, ", ".join(f"{s}: {v:.4g} / {o:.4g}" for s, v, o in picked)
    return None


class _Entry:
    """One trial, told in more and more detail. Git is asked only for what is told."""

    def __init__(
        self, record: Record, history: History, revisions: Revisions, noise: float | None, latest: bool
    ) -> None:
        self.record = record
        self.effect = history.effect(record)
        self._history = history
        self._revisions = revisions
        self._base = history.at(record.trial.base)
        rejected = record.verdict is Verdict.REJECTED
        self.near = rejected and self.effect is not None and self.effect > -NEAR_MISS_SIGMAS * (noise or 0.0)
        self.telling = record.accepted or self.near or latest
        self.rank = 0 if record.accepted or latest else 1 if self.near else 3 if rejected else 2

    def line(self) -> str:
        """Returns one line: what it was, and its difference to what it was held against."""
        record, name = self.record, self._history.metric.name
        text = f"- {record.id} [{'near miss' if self.near else record.verdict}] {inline(record.trial.title, 120)}"
        if self.effect is not None and record.verdict not in STOPPED:
            against = f" than trial {self._base.id}" if self._base else ""
            text += f": {name} {abs(self.effect):.4g} {'better' if self.effect > 0 else 'worse'}{against}"
        if record.verdict in STOPPED:
            text += f"; stopped early, {name} was not measured: {inline(record.reason, 160)}"
        elif self.effect is None or record.verdict not in (Verdict.ACCEPTED, Verdict.REJECTED):
            text += f"; {inline(record.reason, 160)}"
        return f"{text}\n"

    def details(self) -> str:
        """Returns the line, why it was made, its runs, and its diff in short."""
        return self._told(SHORT_DIFF_LINES, with_curve=self.record.verdict in STOPPED)

    def whole(self) -> str:
        """Returns the same with the whole diff, and its curve beside the incumbent's."""
        return self._told(WHOLE_DIFF_LINES, with_curve=True)

    def _told(self, most: int, with_curve: bool) -> str:
        trial, record = self.record.trial, self.record
        details = {
            "kind": f"{trial.proposer}/{trial.operator}",
            "hypothesis": trial.rationale,
            "expected": trial.expected,
            "judged": record.reason if self.effect is not None and record.verdict not in STOPPED else "",
            "builds on": ", ".join(trial.parents),
        }
        if runs := by_seed(record, self._base, self._history.metric.name):
            beside_base = f" / trial {self._base.id}" if self._base else ""
            details[f"by seed (this{beside_base})"] = runs
        if with_curve and self._base is not None:
            curves = self._revisions.curves(record.id)
            if pair := beside(curves, self._revisions.curves(self._base.id)):
                series, seed, points = pair
                details[f"curve of {inline(series, 40)}, seed {seed} (step: this / trial {self._base.id})"] = points
            if record.verdict in STOPPED and curves:
                details["stopped by"] = f"its curve of {inline(curves[0].metric, 40)}"
        more = "".join(f"    {name}: {inline(text, 400)}\n" for name, text in details.items() if text)
        return self.line() + more + self._diff(most)

    def _diff(self, most: int) -> str:
        if self.record.verdict is Verdict.INVALID:
            return ""
        lines = [line for line in self._revisions.diff(self.record.id).split("\n") if _shows(line, most)]
        cut = [*lines[:most], f"... {len(lines) - most} more lines"] if len(lines) > most else lines
        return "".join(f"      {line[:160]}\n" for line in cut if line.strip())


def _shows(line: str, most: int) -> bool:
    """Whether a line of a diff is told: of a short one what is added and removed, and in which file."""
    if line.startswith(("diff --git", "index ", "--- ", "new file", "deleted file")):
        return False
    return line.startswith(("+", "-")) or (most == WHOLE_DIFF_LINES and line.startswith((" ", "@@")))


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    entries: Sequence[_Entry]

    def line(self) -> str:
        counts = Counter(entry.record.verdict.value for entry in self.entries)
        gains = [entry.effect for entry in self.entries if entry.effect is not None]
        best = f"; best effect {max(gains):+.4g}" if gains else ""
        shown = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        return f"    {inline(self.name, 80)}: {shown}{best}\n"


def _folded(entries: Sequence[_Entry], most: int) -> str:
    """One line for each of the commonest kinds of moves among trials that have no line of their own."""
    kinds: dict[str, list[_Entry]] = {}
    for entry in entries:
        kinds.setdefault(f"{entry.record.trial.proposer}/{entry.record.trial.operator}", []).append(entry)
    largest = sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    lines = [_Group(name, group).line() for name, group in largest[:most]]
    if rest := [entry for _, group in largest[most:] for entry in group if most]:
        lines.append(_Group("other kinds", rest).line())
    return f"- {len(entries)} further trials in short:\n" + "".join(lines)
