"""The order of trials, from their numbers and from git's history. No clock is asked: two machines' clocks differ."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from autogit.records import Record


def ordered(records: Iterable[Record]) -> list[Record]:
    """Returns the records oldest first: by number within a lab, and no trial before the accepted one it starts from."""
    by_lab: dict[str, list[Record]] = {}
    for record in records:
        by_lab.setdefault(_lab(record), []).append(record)
    waiting = [deque(sorted(by_lab[lab], key=lambda r: r.trial.number)) for lab in sorted(by_lab)]
    if len(waiting) <= 1:
        return list(waiting[0]) if waiting else []
    accepted = {record.trial.commit for lab in waiting for record in lab if record.accepted}
    placed: set[str] = set()
    found: list[Record] = []
    while any(waiting):
        heads = [lab for lab in waiting if lab]
        free = [lab for lab in heads if _starts(lab[0], placed, accepted)]
        chosen = min(free or heads, key=lambda lab: lab[0].trial.number)
        record = chosen.popleft()
        found.append(record)
        if record.accepted:
            placed.add(record.trial.commit)
    return found


def _starts(record: Record, placed: set[str], accepted: set[str]) -> bool:
    """Whether what `record` starts from is placed, is no trial of this lab, or is its own commit (a baseline)."""
    base = record.trial.base
    return base in placed or base not in accepted or base == record.trial.commit


def _lab(record: Record) -> str:
    return record.id.rpartition("/")[0]
