"""A record as plain values, in one form for every command, file and program that reads it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autogit.history import History
from autogit.records import Record


def record_dict(history: History, record: Record) -> dict[str, Any]:
    """A trial's record, with what only the whole history knows: its improvement over the first baseline, in percent."""
    more = {"improvement_percent": history.improvement(record), "ref": record.trial.ref}
    return {"id": record.id} | asdict(record) | more
