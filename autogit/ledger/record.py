"""One record as a TOML table, and read from it."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from autogit.ledger import tables
from autogit.ledger.ids import ID, MAX_ID
from autogit.ledger.tables import Table
from autogit.records import Record, Run, RunStatus, Trial, Usage, Value, Verdict

MAX_TEXT = 1 << 18
"""Characters of one text in a record."""
MAX_ENTRIES = 10_000
"""Entries of one table or list in a record."""
MAX_WHOLE = 1 << 63
"""What whole numbers, seconds and counts stay below."""

_SPELLED = {"freedom": "dof", "audited": "spared"}
"""Statistics that older records spell otherwise."""
_USAGE = ("input_tokens", "output_tokens", "seconds", "cost")


def format(record: Record) -> str:
    """One `[[trial]]` block, the telling lines first."""
    trial = record.trial
    lines = ["[[trial]]"]
    lines += tables.lines({
        "id": trial.id, "verdict": record.verdict.value, "title": trial.title, "reason": record.reason,
        "proposer": trial.proposer, "operator": trial.operator, "base": trial.base,
    })  # fmt: skip
    details: dict[str, Value] = {
        "parents": trial.parents,
        "rationale": trial.rationale,
        "expected": trial.expected,
        "reproduce": record.reproduce,
        "closed": record.closed,
        "idea": trial.idea,
    }
    lines += tables.lines({name: value for name, value in details.items() if value})
    lines += tables.table("[trial.metrics]", record.metrics) + tables.table("[trial.statistics]", record.statistics)
    lines += tables.table("[trial.parameters]", trial.parameters)
    if trial.usage is not None:
        lines += ["[trial.usage]", *tables.lines({name: getattr(trial.usage, name) for name in _USAGE})]
    for run in record.runs:
        lines += [
            "[[trial.runs]]",
            *tables.lines({"seed": run.seed, "status": run.status.value, "seconds": run.seconds}),
        ]
        lines += tables.lines({} if run.step is None else {"step": run.step})
        lines += tables.lines({"reason": run.reason} if run.reason else {})
        lines += tables.table("[trial.runs.metrics]", run.metrics)
    lines += tables.table("[trial.environment]", record.environment)
    for check in record.checks:
        lines += ["[[trial.checks]]", *tables.lines(check)]
    return "\n".join(lines) + "\n"


def from_table(table: Table, commit: str) -> Record:
    """Returns the record that a table tells of. Raises ValueError, with the name and the value of what cannot be.

    A note can come from anybody who may push to the same remote, so nothing in it is taken for granted.
    """
    id = table.get("id")
    if not isinstance(id, str) or len(id) > MAX_ID or not ID.fullmatch(id):
        raise ValueError(f"id = {_shown(id)} is no trial's id")
    try:
        usage = table.get("usage")
        trial = Trial(
            id=id,
            commit=commit,
            base=_text(table, "base"),
            title=_text(table, "title"),
            proposer=_text(table, "proposer"),
            operator=_text(table, "operator"),
            rationale=_text(table, "rationale", ""),
            expected=_text(table, "expected", ""),
            parameters=_values(table, "parameters"),
            parents=_parents(table),
            usage=None if usage is None else _usage(usage),
            idea=_text(table, "idea", ""),
        )
        return Record(
            trial=trial,
            verdict=Verdict(_text(table, "verdict")),
            reason=_text(table, "reason"),
            metrics=_numbers(table, "metrics", finite=True),
            runs=tuple([run_of(run) for run in _list(table, "runs")]),
            environment=_values(table, "environment"),
            reproduce=_text(table, "reproduce", ""),
            closed=_instant(table),
            statistics={_SPELLED.get(k, k): v for k, v in _numbers(table, "statistics", finite=False).items()},
            checks=tuple([scalars(check) for check in _list(table, "checks")]),
        )
    except ValueError as error:
        raise ValueError(f"trial {id}: {error}") from None


def run_of(table: Table) -> Run:
    """Returns the run that a table tells of. Raises ValueError."""
    step = table.get("step")
    if step is not None:
        step = _whole(table, "step")
    status = RunStatus(_text(table, "status"))
    metrics = _numbers(table, "metrics", finite=True)
    return Run(_whole(table, "seed"), status, _number(table, "seconds"), step, metrics, _text(table, "reason", ""))


def _usage(table: object) -> Usage:
    if not isinstance(table, dict) or table.keys() - set(_USAGE):
        raise ValueError(f"usage = {_shown(table)} is none")
    return Usage(
        _whole(table, "input_tokens"), _whole(table, "output_tokens"), *(_number(table, n) for n in _USAGE[2:])
    )


def _text(table: Table, name: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"{name} = {_shown(value)} is no text of at most {MAX_TEXT} characters")
    return value


def _instant(table: Table) -> str:
    text = _text(table, "closed", "")
    if text:
        datetime.fromisoformat(text)
    return text


def _whole(table: Table, name: str) -> int:
    value = table.get(name)
    if type(value) is not int or abs(value) > MAX_WHOLE:
        raise ValueError(f"{name} = {_shown(value)} is no whole number")
    return value


def _number(table: Table, name: str) -> float:
    value = table.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and -MAX_WHOLE < value < MAX_WHOLE:
        return value
    raise ValueError(f"{name} = {_shown(value)} is no finite number")


def _numbers(table: Table, name: str, finite: bool) -> dict[str, float]:
    found = _table(table, name)
    for key, value in found.items():
        if type(value) not in (int, float) or (finite and not -math.inf < value < math.inf):
            raise ValueError(f"{name}.{key[:80]} = {_shown(value)} is no {'finite ' if finite else ''}number")
        if type(value) is int and abs(value) > MAX_WHOLE:
            raise ValueError(f"{name}.{key[:80]} = {_shown(value)} is too large")
    return found


def _parents(table: Table) -> tuple[str, ...]:
    parents = table.get("parents", [])
    if not isinstance(parents, list | tuple) or not all(isinstance(p, str) and len(p) <= MAX_ID for p in parents):
        raise ValueError(f"parents = {_shown(parents)} are no ids of trials")
    return tuple(parents)


def _values(table: Table, name: str) -> dict[str, Any]:
    found = _table(table, name)
    values = {}
    for key, value in found.items():
        several = isinstance(value, list)
        for one in value if several else (value,):
            _scalar(key, one)
        values[key] = tuple(value) if several else value
    return values


def scalars(table: Table) -> dict[str, Any]:
    """Returns a table that holds nothing but numbers, words and truth values. Raises ValueError."""
    for key, value in table.items():
        _scalar(key, value)
    return table


def _scalar(key: str, value: object) -> None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"{key[:80]} has more than {MAX_TEXT} characters")
    elif type(value) is int:
        if abs(value) > MAX_WHOLE:
            raise ValueError(f"{key[:80]} = {_shown(value)} is too large")
    elif type(value) not in (bool, float):
        raise ValueError(f"{key[:80]} = {_shown(value)} is no number, word or truth value")


def _table(table: Table, name: str) -> Table:
    found = table.get(name, {})
    if not isinstance(found, dict) or len(found) > MAX_ENTRIES:
        raise ValueError(f"{name} = {_shown(found)} is no table of at most {MAX_ENTRIES} entries")
    return found


def _list(table: Table, name: str) -> list[Table]:
    found = table.get(name, [])
    if not isinstance(found, list) or len(found) > MAX_ENTRIES or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{name} = {_shown(found)} is no list of at most {MAX_ENTRIES} tables")
    return found


def _shown(value: object) -> str:
    if type(value) is int and value.bit_length() > 200:
        return "a number of very many digits"
    return repr(value)[:60]
