"""Trials as a table, for every command that lists some."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.common import echo, echo_json, echo_table, echo_tsv, json_option, metric_name, paged, wrapped
from autogit.report.export import record_dict
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person wants of a table."""

    where: str | None
    sort: str | None
    as_json: bool
    as_tsv: bool


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that prints a table, handed over as `asked`."""

    @json_option
    @click.option("--tsv", "as_tsv", is_flag=True, help="Print tab-separated values, for programs; nothing is cut.")
    @click.option("--sort", metavar="NAME", help="Order by this: gain, seconds, a metric. -NAME turns it round.")
    @click.option(
        "--where", metavar="CONDITION", help="Only rows such as: 'val_loss < 2.5 and operator = \"patterns\"'."
    )
    @functools.wraps(command)
    def wrapper(*args: Any, where: str | None, sort: str | None, as_json: bool, as_tsv: bool, **more: Any) -> Any:
        return command(*args, asked=Asked(where, sort, as_json, as_tsv), **more)

    return wrapper


def list_trials(
    lab: Lab, records: Sequence[Record], asked: Asked, count: int | None = None, reasons: bool = False
) -> None:
    """Prints some trials, a line each, at most `count`; with `reasons` why each ended as it did."""
    from autogit.report.select import chosen, trial_fields

    history = lab.history
    if records:
        records = chosen(records, lambda record: trial_fields(history, record), asked.where, asked.sort)[:count]
    if asked.as_json:
        echo_json([record_dict(history, record) for record in records])
    elif asked.as_tsv:
        first = (
            "trial",
            "verdict",
            "gain",
            "effect",
            "seconds",
            "operator",
            "proposer",
            "title",
            "reason",
            "commit",
            "closed",
        )
        found = [trial_fields(history, record) for record in records]
        empty: dict[str, float | str | None] = dict.fromkeys(first)
        echo_tsv([empty | each for each in found])
    elif not records:
        echo("no such trials yet; all of them: autogit log" if lab.trials() else "no trials yet: autogit loop")
    else:
        metric = lab.config.metric.name
        rows = [
            {
                "trial": record.id,
                "verdict": record.verdict.value,
                metric: number(history.value(record)),
                "gain": percent(lab.improvement(record)),
                "step": _step(record),
                "time": duration(record.seconds),
                "what": f"{record.trial.title}: {record.reason}" if reasons else record.trial.title,
            }
            for record in records
        ]
        if not any(row["step"] for row in rows):
            rows = [{name: cell for name, cell in row.items() if name != "step"} for row in rows]
        with paged():
            echo_table(rows, (metric, "gain", "step", "time"), "what", ("time", "step", metric))
            if not lab.config.evaluate.command:
                echo(wrapped(f"{metric_name(lab)}: nobody but the training script measures it", ""))


def _step(record: Record) -> str:
    """What an accepted change gained over what was there, on seeds that did not choose it, with its 95% interval."""
    from autogit.evaluate.checks import gain

    found = gain(record)
    return "" if found is None else f"{found.value:.2g}±{(found.high - found.low) / 2:.1g}"
