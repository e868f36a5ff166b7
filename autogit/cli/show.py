"""`autogit show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogit.cli.common import color_of_line, echo, echo_json, json_option, open_lab, paged, trial_argument, wrapped
from autogit.report.export import record_dict
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record

LOG_LINES = 20
"""Lines of a trial's log that `show` ends with."""


@click.command(epilog="Example:  autogit show 17")
@trial_argument("trial")
@json_option
@click.pass_context
def show(context: click.Context, trial: str, as_json: bool) -> None:
    """Show trial N: its record, its diff, the end of its log, and where its output is kept."""
    lab = open_lab(context)
    record = lab.trial(trial)
    if as_json:
        more = {"diff": lab.diff(record.id), "log": lab.log(record.id), "checkpoints": _kept(lab, record)}
        echo_json(record_dict(lab.history, record) | more)
        return
    with paged():
        show_record(lab, record)
        diff = lab.diff(record.id)
        if diff:
            echo()
            for line in diff.rstrip("\n").split("\n"):
                echo(line, fg=color_of_line(line))
        lines = lab.log(record.id).rstrip("\n").splitlines()
        if lines:
            echo(f"\nlog{f', the last {LOG_LINES} of {len(lines)} lines' if len(lines) > LOG_LINES else ''}:")
            echo("\n".join(f"  {line}" for line in lines[-LOG_LINES:]))


def show_record(lab: Lab, record: Record) -> None:
    """Prints what a record says."""
    from autogit.trial.audit import describe

    trial = record.trial
    echo(f"{trial.ref}  {trial.title}", bold=True)
    facts = {
        "verdict": f"{record.verdict}: {record.reason}",
        "metrics": ", ".join(f"{name} {number(value)}" for name, value in record.metrics.items()),
        "over the baseline": "" if trial.is_baseline else percent(lab.improvement(record)),
        "audit": describe(record, lab.history),
        "proposed by": f"{trial.proposer}, {trial.operator}",
        "why": trial.rationale,
        "expected": trial.expected,
        "builds on": ", ".join(f"exp/{parent}" for parent in trial.parents),
        "statistics": ", ".join(f"{name} {number(value)}" for name, value in record.statistics.items()),
        "environment": ", ".join(f"{name} {value}" for name, value in record.environment.items()),
        "commit": f"{trial.commit[:12]} on {trial.base[:12]}; git checkout {trial.ref}",
        "again": record.reproduce,
        "output": ", ".join(_kept(lab, record)),
        "closed": record.closed,
    }
    for name, value in facts.items():
        label = f"  {name:<18} "
        if name == "again":
            # In one piece, to be pasted.
            echo(label + value)
        elif value and value != "-":
            echo(wrapped(value, label))
    for run in record.runs:
        reason = f": {run.reason}" if run.reason else ""
        value = number(run.metrics.get(lab.config.metric.name))
        echo(f"  seed {run.seed:<13} {run.status}{reason}, {lab.config.metric.name} {value}, {duration(run.seconds)}")


def _kept(lab: Lab, record: Record) -> list[str]:
    from autogit.trial.retention import kept

    return [str(path) for path in kept(lab.ledger.private, record.id)]
