"""What accepted changes gained, by the runs that took no part in choosing them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autogit.records import Record


@dataclass(frozen=True, slots=True)
class Gain:
    """An improvement with its 95% interval, in the unit of what is compared; positive is better."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.6g} better on fresh seeds (95% interval {self.low:.6g} to {self.high:.6g})"


def gain(record: Record) -> Gain | None:
    """What one accepted change gained on fresh seeds; None where it was not measured (a greedy rule, one seed)."""
    found = record.statistics
    if not record.accepted or not {"gain", "low", "high"} <= found.keys():
        return None
    return Gain(found["gain"], found["low"], found["high"])


def total_gain(records: Iterable[Record]) -> Gain | None:
    """What all accepted changes gained together, each over the one before; None where there is nothing to add up.

    What a person has taken back counts no more. The steps' errors are taken as independent, so their half widths add as
    squares.
    """
    records = list(records)
    back = _taken_back(records)
    steps = [step for record in records if record.id not in back and (step := gain(record)) is not None]
    if not steps:
        return None
    value = math.fsum(step.value for step in steps)
    half = math.hypot(*((step.high - step.low) / 2 for step in steps))
    return Gain(value, value - half, value + half)


def _taken_back(records: Iterable[Record]) -> set[str]:
    """The trials that an undo has taken off `main`; where the undo was itself taken back, they are there again."""
    undone: dict[str, tuple[str, ...]] = {}
    back: set[str] = set()
    for record in records:
        if record.accepted and record.trial.operator == "undo":
            undone[record.id] = record.trial.parents
            for parent in record.trial.parents:
                back = back - set(undone[parent]) if parent in undone else back | {parent}
    return back
