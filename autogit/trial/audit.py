"""The audit: a trial's score on data that nothing was ever chosen by.

The first baseline is scored there when it is measured, the best of a loop when the loop ends: each once, from the
output of its latest runs, which took no part in choosing it either. No verdict, proposal or prompt sees the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autogit.errors import Interrupted
from autogit.events import Notice
from autogit.history import History
from autogit.records import Record, Run, Scalar
from autogit.trial.measure import Measurement
from autogit.trial.session import Session

RUNS = 2
"""Runs of a trial that are scored, the latest ones whose output is kept."""
_WHEN, _RUNS, _VALUE, _CHOSEN, _REFUSED = "audited", "audit_runs", "audit_value", "chosen_value", "audit_refused"


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found of one trial: means over the same runs."""

    value: float | None
    """The primary metric on the audit data; None where it was refused."""
    chosen: float
    """The primary metric on the data that trials are chosen by."""
    refused: str = ""
    """Why the evaluator does not believe the model there."""


def audit(record: Record) -> Audit | None:
    """What the audit found; None where the trial was not audited."""
    check = next((check for check in record.checks if _WHEN in check), None)
    if check is None:
        return None
    value = check.get(_VALUE)
    return Audit(None if value is None else float(value), float(check[_CHOSEN]), str(check.get(_REFUSED, "")))


def check(metric: str, chosen: Sequence[Run], audited: Sequence[Run], when: str) -> dict[str, Scalar]:
    """What the trial's note says: `chosen` are its recorded runs, `audited` the same ones scored on the audit data."""
    facts: dict[str, Scalar] = {_WHEN: when, _RUNS: len(audited), _CHOSEN: _mean(metric, chosen)}
    failed = next((run for run in audited if not run.status.counts), None)
    return facts | ({_VALUE: _mean(metric, audited)} if failed is None else {_REFUSED: failed.reason})


def describe(record: Record, history: History) -> str:
    """Describes a trial's audit in a sentence, with what it gained there over the baseline; empty if there was none."""
    found = audit(record)
    if found is None:
        return ""
    name = history.metric.name
    if found.value is None:
        return f"refused: {found.refused}"
    words = f"{name} {found.value:.6g} on the audit data, {found.chosen:.6g} on the validation data"
    baseline = history.baseline
    base = audit(baseline) if baseline is not None and baseline.id != record.id else None
    if base is None or not base.value or not base.chosen:
        return words
    there, here = (history.gain(a, b) for a, b in ((found.value, base.value), (found.chosen, base.chosen)))
    return f"{words}; over the baseline {there:+.2f}% and {here:+.2f}%"


class Auditor:
    """Scores trials on the audit data."""

    def __init__(self, session: Session, measurement: Measurement) -> None:
        self._session = session
        self._measurement = measurement

    def audit(self, record: Record | None, slot: int) -> None:
        """Scores a trial, once, if there is audit data and the trial's output is still there, and notes the result."""
        session = self._session
        if record is None or not session.config.evaluate.audit or audit(record) is not None:
            return
        pairs = []
        try:
            for run in [run for run in reversed(record.runs) if run.status.counts][:RUNS]:
                audited = self._measurement.audit(record.trial, run.seed, slot)
                pairs += [] if audited is None else [(run, audited)]
        except Interrupted:
            return  # the next loop does it
        if not pairs:
            session.observer(Notice(f"{record.trial.ref} cannot be audited: its output is not kept any more"))
            return
        chosen, found = zip(*pairs, strict=True)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        with session.lock:
            facts = check(session.history.metric.name, chosen, found, when)
            session.history.add(session.ledger.note_check(record.id, facts))


def _mean(metric: str, runs: Sequence[Run]) -> float:
    return math.fsum(run.metrics[metric] for run in runs) / len(runs)
