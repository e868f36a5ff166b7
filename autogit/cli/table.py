"""Trials as a table, for every command that lists some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from autogit.cli.common import echo, echo_json, echo_table, metric_name
from autogit.report.export import record_dict
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record


def list_trials(lab: Lab, records: Iterable[Record], as_json: bool, reasons: bool = False) -> None:
    """Prints some trials, a line each; with `reasons` why each ended as it did."""
    records = list(records)
    if as_json:
        echo_json([record_dict(lab.history, record) for record in records])
    elif not records:
        none = lab.ledger.unsynced() or "no trials yet: autogit loop"
        echo("no such trials yet; all of them: autogit log" if lab.trials() else none)
    else:
        metric = lab.config.metric.name
        rows = [
            {
                "trial": record.id,
                "verdict": record.verdict.value,
                metric: number(lab.history.value(record)),
                "gain": percent(lab.improvement(record)),
                "step": _step(record),
                "time": duration(record.seconds),
                "what": f"{record.trial.title}: {record.reason}" if reasons else record.trial.title,
            }
            for record in records
        ]
        if not any(row["step"] for row in rows):
            rows = [{name: cell for name, cell in row.items() if name != "step"} for row in rows]
        echo_table(rows, (metric, "gain", "step", "time"), "what")
        if not lab.config.evaluate.command:
            echo(f"{metric_name(lab)}: nobody but the training script measures it")


def _step(record: Record) -> str:
    """What an accepted change gained over what was there, on seeds that did not choose it, with its 95% interval."""
    from autogit.evaluate.checks import gain

    found = gain(record)
    return "" if found is None else f"{found.value:.2g}±{(found.high - found.low) / 2:.1g}"
