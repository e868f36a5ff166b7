"""What failed repeatedly, and is therefore left alone: regions of parameters, and kinds of moves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogit.history import History
from autogit.propose.lineage import parametric
from autogit.propose.search.evidence import Sample
from autogit.propose.search.parameters import same
from autogit.records import Record, Value, Verdict

FAILED = (Verdict.CRASHED, Verdict.UNSTABLE, Verdict.TIMED_OUT)
"""Verdicts on trials that ran and gave no number."""
FORGET_AFTER_TRIALS = 50
"""Trials after which a failure no longer counts: the code around it has changed."""
FAILURES_IN_A_ROW = 3
"""Failures in a row after which a kind of move is left alone; two are enough where they ended the same way."""

_MEMORY = re.compile(
    r"out of (?:\w+ )?memory|OutOfMemory|\bOOM\b|MemoryError|memory limit|bad_alloc|cannot allocate memory", re.I
)


def out_of_memory(reason: str) -> bool:
    """Whether the reason for a failure is that memory, of whatever kind, was not enough."""
    return _MEMORY.search(reason) is not None


@dataclass(frozen=True, slots=True)
class Region:
    """Settings at or beyond some values, all of which failed where they were tried."""

    limits: Mapping[str, tuple[int, Value | None]]
    """By parameter: +1 from the value up, -1 from it down, 0 exactly it."""
    cause: str
    trials: tuple[str, ...]

    def holds(self, values: Mapping[str, Value | None]) -> bool:
        """Whether a setting of all parameters lies in it."""
        return all(_beyond(values.get(name), side, limit) for name, (side, limit) in self.limits.items())

    def covers(self, other: Region) -> bool:
        """Whether every setting in `other` is in this one too."""
        return all(
            name in other.limits and other.limits[name][0] == side and _beyond(other.limits[name][1], side, limit)
            for name, (side, limit) in self.limits.items()
        )

    def __str__(self) -> str:
        where = " with ".join(
            f"{name} {'=' if not side else '>=' if side > 0 else '<='} {limit}"
            for name, (side, limit) in self.limits.items()
        )
        return f"{where} is left alone: {self.cause} ({', '.join(f'exp/{trial}' for trial in self.trials)})"


def failed_regions(samples: Sequence[Sample], now: int) -> list[Region]:
    """Where no more trials should go; `now` is how many trials the lab has.

    One trial that ran out of memory closes everything beyond it; other failures must have happened twice. A trial
    that gave a number there opens it again.
    """
    worked = [s.values for s in samples if s.value is not None or s.verdict is Verdict.PRUNED]
    failed = [
        s
        for s in samples
        if s.verdict in FAILED and s.value is None and s.number >= now - FORGET_AFTER_TRIALS and s.moved
    ]
    regions: list[Region] = []
    for sample in failed:
        memory = out_of_memory(sample.reason)
        limits = {
            name: (_side(sample.before.get(name), sample.values[name]), sample.values[name]) for name in sample.moved
        }
        alike = [s for s in failed if memory == out_of_memory(s.reason) and Region(limits, "", ()).holds(s.values)]
        cause = "out of memory" if memory else " and ".join(sorted({s.verdict.value for s in alike}))
        region = Region(limits, cause, tuple(s.trial for s in alike))
        if len(alike) >= (1 if memory else 2) and not any(region.holds(values) for values in worked):
            regions.append(region)
    return _widest(regions)


def failed_moves(history: History) -> dict[tuple[str, str], str]:
    """Kinds of moves, by proposer and operator, that only fail; with the sentence that says so.

    Values of parameters are left to `failed_regions`. A kind gets another chance once `main` has changed after its
    last failure, or FORGET_AFTER_TRIALS trials later.
    """
    latest: dict[tuple[str, str], list[Record]] = {}
    accepted_at, number_of = 0, {}
    for number, record in enumerate(history):
        number_of[record.id] = number
        if record.won:
            accepted_at = number
        elif not record.trial.is_baseline:
            latest.setdefault((record.trial.proposer, record.trial.operator), []).append(record)
    moves = {}
    for kind, records in latest.items():
        if parametric(history, records[-1].trial) or number_of[records[-1].id] < max(
            accepted_at, len(history) - FORGET_AFTER_TRIALS
        ):
            continue
        alike = 2 if len({ending(record) for record in records[-2:]}) == 1 else FAILURES_IN_A_ROW
        row = records[-alike:]
        if len(row) == alike and all(record.verdict in (*FAILED, Verdict.INVALID) for record in row):
            names = ", ".join(record.trial.ref for record in row)
            moves[kind] = f"{kind[1]} is left alone until main changes: it failed {len(row)} times in a row ({names})"
    return moves


def ending(record: Record) -> str:
    """How a trial ended, without the numbers that differ from one to the next."""
    reason = next((run.reason for run in reversed(record.runs) if run.reason), record.reason)
    return f"{record.verdict.value}: {re.sub(r'[0-9.]+', '#', reason)}"


def _side(before: Value | None, after: Value | None) -> int:
    if isinstance(before, int | float) and isinstance(after, int | float) and not isinstance(after, bool):
        return 1 if after > before else -1
    return 0


def _beyond(value: Value | None, side: int, limit: Value | None) -> bool:
    if side and isinstance(value, int | float) and isinstance(limit, int | float):
        return value * side >= limit * side
    return same(value, limit)


def _widest(regions: Sequence[Region]) -> list[Region]:
    """The regions that do not lie in another one; of equal ones the first."""
    kept: list[Region] = []
    for region in regions:
        if not any(other.covers(region) for other in kept):
            kept = [other for other in kept if not region.covers(other)] + [region]
    return kept
