"""What worked, by part (kind of move, parameter, proposer), with its uncertainty; near misses and surprises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from autogit.records import Record, Verdict, Z
from autogit.report.facts import Facts

NEAR_MISSES = 8
SURPRISES = 4
SURPRISING = 3.0
"""Robust standard deviations that a trial must lie from the others of its kind."""
ALIKE = 3
"""Other measured trials of a kind from which it is known what the kind usually does."""


@dataclass(frozen=True, slots=True)
class Part:
    """How the trials of one part have done. Rates and effects with 95% intervals."""

    kind: str
    """"move", "parameter" or "proposer"."""
    name: str
    tried: int
    accepted: int
    rate: tuple[float, float]
    """The interval of the chance that such a trial is accepted (Jeffreys)."""
    effects: tuple[float, ...]
    """What each gained over what it had to beat, in the report's unit, ascending."""
    interval: tuple[float, float] | None
    """The 95% interval of their median, by order statistics; None with fewer than six."""

    @property
    def effect(self) -> float | None:
        """The median: one wild trial does not speak for its kind."""
        return median(self.effects) if self.effects else None


@dataclass(frozen=True, slots=True)
class Surprise:
    """A trial that did not do what its kind does."""

    record: Record
    effect: float
    usual: float
    others: int


def parts(facts: Facts) -> list[Part]:
    """All parts that were tried, by kind, the most often accepted and then the most tried first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in _moves(facts):
        names = record.trial.parameters
        # A bundle counts for each of its parts.
        keys = [("move", part) for part in record.trial.parts if part not in names]
        keys += [("proposer", record.trial.proposer), *(("parameter", name) for name in names)]
        for key in dict.fromkeys(keys):
            groups.setdefault(key, []).append(record)
    found = [_part(facts, kind, name, records) for (kind, name), records in groups.items()]
    order = {"move": 0, "parameter": 1, "proposer": 2}
    return sorted(found, key=lambda part: (order[part.kind], -part.accepted, -part.tried, part.name))


def near_misses(facts: Facts) -> list[Record]:
    """Rejected trials that looked better than what they had to beat, the clearest first."""
    missed = [
        record
        for record in _moves(facts)
        if record.verdict is Verdict.REJECTED and not record.trial.is_null and (facts.effect(record) or 0) > 0
    ]
    return sorted(missed, key=lambda record: -_clearness(facts, record))[:NEAR_MISSES]


def surprises(facts: Facts) -> list[Surprise]:
    """The trials that differ most from what others of their kind did."""
    measured = [(record, effect) for record in _moves(facts) if (effect := facts.effect(record)) is not None]
    if len(measured) < ALIKE + 1:
        return []
    center = median(effect for _, effect in measured)
    spread = 1.4826 * median(abs(effect - center) for _, effect in measured)
    kinds: dict[str, list[float]] = {}
    for record, effect in measured:
        kinds.setdefault(record.trial.operator, []).append(effect)
    found = []
    for record, effect in measured:
        others = list(kinds[record.trial.operator])
        others.remove(effect)
        if len(others) >= ALIKE and spread > 0 and abs(effect - median(others)) > SURPRISING * spread:
            found.append(Surprise(record, effect, median(others), len(others)))
    # A win is news; one more failure only if it is a large one.
    return sorted(found, key=lambda s: (not s.record.accepted, -abs(s.effect - s.usual)))[:SURPRISES]


def slices(facts: Facts) -> dict[str, list[tuple[Record, object, float]]]:
    """Each parameter's tried values with what they gained over what they had to beat; the most important first."""
    found: dict[str, list[tuple[Record, object, float]]] = {}
    for record in _moves(facts):
        effect = facts.effect(record)
        if effect is not None:
            for name, value in record.trial.parameters.items():
                found.setdefault(name, []).append((record, value, effect))
    weight = facts.importance
    names = sorted(found, key=lambda name: (-weight.get(name, 0.0), -len(found[name]), name))
    return {name: found[name] for name in names if len(found[name]) >= 2}


def _moves(facts: Facts) -> Iterable[Record]:
    return (r for r in facts.history if not r.trial.is_baseline and not r.trial.is_null)


def _clearness(facts: Facts, record: Record) -> float:
    z = record.statistics.get(Z)
    return z if z is not None else facts.effect(record) or 0.0


def _part(facts: Facts, kind: str, name: str, records: Sequence[Record]) -> Part:
    from scipy.special import betaincinv

    accepted = sum(record.accepted for record in records)
    a, b = accepted + 0.5, len(records) - accepted + 0.5
    low = float(betaincinv(a, b, 0.025)) if accepted else 0.0
    high = float(betaincinv(a, b, 0.975)) if accepted < len(records) else 1.0
    effects = sorted(effect for record in records if (effect := facts.effect(record)) is not None)
    return Part(kind, name, len(records), accepted, (low, high), tuple(effects), _median_interval(effects))


def _median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest pair of order statistics that holds the median in at least 95% of samples."""
    count = len(values)
    outside, rank = 0.0, 0
    while rank < count // 2 and (more := outside + 2 * math.comb(count, rank) / 2**count) <= 0.05:
        outside, rank = more, rank + 1
    return (values[rank - 1], values[count - rank]) if rank else None
