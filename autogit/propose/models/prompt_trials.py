"""What was tried, for a prompt: every trial in as much detail as there is room for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autogit.history import History
from autogit.propose.models.prompt_quote import inline, tokens
from autogit.records import Record, Verdict

GROUPS = (20, 8, 3, 0)
"""Kinds of moves that a summary tells apart, as many as there is room for."""
CLOSE = 2.0
"""A rejected trial within so many standard deviations of the noise of its incumbent is a near miss."""


def trials(history: History, room: int) -> str:
    """A list of the trials, oldest first, in at most about `room` tokens.

    Where it is too long, the oldest and least informative lose first their details and then their line: what remains of
    them is a count for each kind of move. Accepted trials tell most, then near misses, failures, and rejected ones.
    """
    gains, noise = history.effects(), noise_of(history)
    entries = [_entry(r, history, gains.get(r.id), noise) for r in history if not r.trial.is_baseline]
    if not entries:
        return "Nothing yet: yours is the first proposal.\n"
    by_worth = sorted(range(len(entries)), key=lambda i: (entries[i].rank, -i))
    level = dict.fromkeys(by_worth, 0)
    left, groups = room, 0
    # A line for everyone goes before details for anyone: what was tried must not be tried again.
    for detail in (1, 2):
        if detail == 1:
            groups = next((n for n in GROUPS if tokens(_folded(entries, n)) <= left), 0)
            left -= tokens(_folded(entries, groups))
        for i in by_worth:
            cost = tokens(entries[i].texts[detail]) - tokens(entries[i].texts[detail - 1])
            if level[i] == detail - 1 and cost <= left:
                level[i] = detail
                left -= cost
            elif level[i] == detail - 1:
                break
    shown = [entry.texts[level[i]] for i, entry in enumerate(entries) if level[i]]
    folded = [entry for i, entry in enumerate(entries) if not level[i]]
    return (_folded(folded, groups) if folded else "") + "".join(shown)


def noise_of(history: History) -> float | None:
    """Standard deviation of the metric between seeds, as it was last measured; None while unknown.

    A verdict's sigma is that of a difference of two runs, in the metric's unit unless a composite is compared.
    """
    if history.metric.objective != "primary":
        return None
    latest = next((r.statistics["sigma"] for r in reversed(list(history)) if r.statistics.get("sigma")), None)
    return None if latest is None else latest / math.sqrt(2)


@dataclass(frozen=True, slots=True)
class _Entry:
    record: Record
    gain: float | None
    rank: int
    texts: tuple[str, str, str]
    """Nothing, one line, all there is to say."""


def _entry(record: Record, history: History, gain: float | None, noise: float | None) -> _Entry:
    near = record.verdict is Verdict.REJECTED and gain is not None and gain > -CLOSE * (noise or 0.0)
    rank = 0 if record.accepted else 1 if near else 3 if record.verdict is Verdict.REJECTED else 2
    trial, value = record.trial, history.value(record)
    line = f"- {trial.id} [{'near miss' if near else record.verdict}] {inline(trial.title, 120)}"
    if value is not None:
        line += f": {history.metric.name} {value:.6g}"
    if gain is not None:
        line += f" ({'better' if gain > 0 else 'worse'} by {abs(gain):.4g})"
    if value is None or record.verdict not in (Verdict.ACCEPTED, Verdict.REJECTED):
        line += f"; {inline(record.reason, 160)}"
    details = {
        "kind": f"{trial.proposer}/{trial.operator}",
        "hypothesis": trial.rationale,
        "expected": trial.expected,
        "judged": record.reason if value is not None else "",
        "builds on": ", ".join(trial.parents),
    }
    more = "".join(f"    {name}: {inline(text, 300)}\n" for name, text in details.items() if text)
    return _Entry(record, gain, rank, ("", f"{line}\n", f"{line}\n{more}"))


def _folded(entries: Sequence[_Entry], most: int) -> str:
    """One line for each of the commonest kinds of moves among trials that have no line of their own."""
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(f"{entry.record.trial.proposer}/{entry.record.trial.operator}", []).append(entry)
    largest = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    lines = [_group(name, group) for name, group in largest[:most]]
    if rest := [entry for _, group in largest[most:] for entry in group if most]:
        lines.append(_group("other kinds", rest))
    return f"- {len(entries)} further trials in short:\n" + "".join(lines)


def _group(name: str, entries: Sequence[_Entry]) -> str:
    counts = Counter(entry.record.verdict.value for entry in entries)
    gains = [entry.gain for entry in entries if entry.gain is not None]
    best = f"; best effect {max(gains):+.4g}" if gains else ""
    return f"    {inline(name, 80)}: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}{best}\n"
