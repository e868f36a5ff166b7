"""One record as a TOML table, and read from it."""

from __future__ import annotations

from typing import Any

from autogit.ledger import tables
from autogit.ledger.tables import Table
from autogit.records import Record, Run, RunStatus, Trial, Usage, Value, Verdict

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
    """The record that a table tells of. Raises ValueError."""
    try:
        usage = table.get("usage")
        trial = Trial(
            id=table["id"],
            commit=commit,
            base=table["base"],
            title=table["title"],
            proposer=table["proposer"],
            operator=table["operator"],
            rationale=table.get("rationale", ""),
            expected=table.get("expected", ""),
            parameters=_frozen(table.get("parameters")),
            parents=tuple(table.get("parents", ())),
            usage=None if usage is None else Usage(**usage),
            idea=table.get("idea", ""),
        )
        return Record(
            trial=trial,
            verdict=Verdict(table["verdict"]),
            reason=table["reason"],
            metrics=_frozen(table.get("metrics")),
            runs=tuple([_run(run) for run in table.get("runs", ())]),
            environment=_frozen(table.get("environment")),
            reproduce=table.get("reproduce", ""),
            closed=table.get("closed", ""),
            statistics=_frozen(table.get("statistics")),
            checks=tuple([_frozen(check) for check in table.get("checks", ())]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"trial {table.get('id', '?')}: {error!r}") from None


def _run(table: Table) -> Run:
    return Run(
        table["seed"],
        RunStatus(table["status"]),
        table["seconds"],
        table.get("step"),
        _frozen(table.get("metrics")),
        table.get("reason", ""),
    )


def _frozen(table: Table | None) -> dict[str, Any]:
    if not table:
        return {}
    return {k: tuple(v) if type(v) is list else v for k, v in table.items()}
