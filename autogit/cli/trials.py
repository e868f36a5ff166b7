"""What the lab remembers: `autogit log`, `show`, `top`, `best`, `trends`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autogit.cli.face import echo_json, echo_table, json_option, luck, metric_name, open_lab, record_json, wrapped
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.history import Trend
    from autogit.lab import Lab
    from autogit.propose.beliefs import Belief
    from autogit.records import Record

LOG_LINES = 20
"""Lines of a trial's log that `show` ends with."""


@click.command(epilog="Example:  autogit log --accepted")
@click.option("--accepted", is_flag=True, help="Only what was accepted.")
@click.option("--dead", is_flag=True, help="Only what was not.")
@json_option
@click.pass_context
def log(context: click.Context, accepted: bool, dead: bool, as_json: bool) -> None:
    """List every trial, the oldest first."""
    if accepted and dead:
        raise click.UsageError("--accepted and --dead leave nothing; take one of them, or none for all trials")
    lab = open_lab(context)
    wanted = [r for r in lab.trials() if (r.accepted or not accepted) and (r.verdict.dead or not dead)]
    _list(lab, wanted, as_json, dead)


@click.command(epilog="Example:  autogit top -n 10")
@click.option("-n", "--count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@json_option
@click.pass_context
def top(context: click.Context, count: int, as_json: bool) -> None:
    """List the trials with the best metric, the best first; accepted or not."""
    lab = open_lab(context)
    _list(lab, lab.top(count), as_json)


@click.command(epilog="Example:  autogit best --json | jq .metrics")
@json_option
@click.pass_context
def best(context: click.Context, as_json: bool) -> None:
    """Show the incumbent: the last accepted trial, which a proposal has to beat."""
    lab = open_lab(context)
    record = lab.best()
    if record is None:
        raise click.ClickException("no trial has been accepted in this lab yet; start with: autogit loop")
    if as_json:
        echo_json(record_json(lab, record))
    else:
        _show(lab, record)


@click.command(epilog="Example:  autogit show 17")
@click.argument("trial", metavar="N")
@json_option
@click.pass_context
def show(context: click.Context, trial: str, as_json: bool) -> None:
    """Show trial N: its record, its diff, the end of its log, and where its output is kept."""
    lab = open_lab(context)
    record = lab.trial(trial)
    if as_json:
        more = {"diff": lab.diff(record.id), "log": lab.log(record.id), "checkpoints": _kept(lab, record)}
        echo_json(record_json(lab, record) | more)
        return
    _show(lab, record)
    diff = lab.diff(record.id)
    if diff:
        click.echo()
        for line in diff.rstrip("\n").split("\n"):
            click.secho(line, fg=_color(line))
    lines = lab.log(record.id).rstrip("\n").splitlines()
    if lines:
        click.echo(f"\nlog{f', the last {LOG_LINES} of {len(lines)} lines' if len(lines) > LOG_LINES else ''}:")
        click.echo("\n".join(f"  {line}" for line in lines[-LOG_LINES:]))


@click.command(epilog="Example:  autogit trends")
@json_option
@click.pass_context
def trends(context: click.Context, as_json: bool) -> None:
    """Show how each kind of move has done, what the portfolio now believes, and which parameters matter.

    A belief is a proposer's chance that its next trial is accepted, what it would gain then, and both together per
    hour of training: the odds by which turns are given. Last, how many runs were stopped early because they could not
    win, and what those show that were let finish all the same.
    """
    lab = open_lab(context)
    found, believed, importance, pruning = lab.trends(), lab.beliefs(), lab.importance(), lab.pruning()
    if as_json:
        echo_json(
            {
                "trends": [asdict(trend) | {"success_rate": trend.success_rate} for trend in found],
                "beliefs": [asdict(belief) | {"rate": belief.rate} for belief in believed],
                "importance": dict(importance),
                "pruning": asdict(pruning),
                "luck": dict(zip(("itself", "null_trials"), map(asdict, lab.fooled()), strict=True)),
            }
        )
        return
    if not found:
        click.echo("no trials yet; start with: autogit loop")
        return
    echo_table([_trend(trend) for trend in found], ("tried", "accepted", "rate", "mean gain"), "operator")
    click.echo("\nbelieved of the next trial of each proposer:")
    rows = [_belief(belief) for belief in believed if not belief.operator]
    echo_table(rows, ("tried", "chance", "gain then", "per hour"), "proposer")
    if importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in importance.items() if share >= 0.01)
        click.echo(f"\nwhat made parameter trials good: {shares}")
    if pruning.stopped or pruning.spared:
        click.echo(
            f"\nstopped early: {pruning.stopped}; let finish to audit that: {pruning.spared}, "
            f"of which {pruning.won} would have won"
        )
    for words in luck(lab):
        click.echo(f"\n{words}")


def _list(lab: Lab, records: Iterable[Record], as_json: bool, reasons: bool = False) -> None:
    records = list(records)
    if as_json:
        echo_json([record_json(lab, record) for record in records])
    elif not records:
        click.echo("no such trials yet; all of them: autogit log" if lab.trials() else "no trials yet: autogit loop")
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
            click.echo(f"{metric_name(lab)}: nobody but the training script measures it")


def _step(record: Record) -> str:
    """What an accepted change gained over what was there, on seeds that did not choose it, with its 95% interval."""
    from autogit.evaluate.gains import gain

    found = gain(record)
    return "" if found is None else f"{found.value:.2g}±{(found.high - found.low) / 2:.1g}"


def _show(lab: Lab, record: Record) -> None:
    from autogit.trial.audit import describe

    trial = record.trial
    click.secho(f"{trial.ref}  {trial.title}", bold=True)
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
            click.echo(label + value)
        elif value and value != "-":
            click.echo(wrapped(value, label))
    for run in record.runs:
        reason = f": {run.reason}" if run.reason else ""
        value = number(run.metrics.get(lab.config.metric.name))
        click.echo(
            f"  seed {run.seed:<13} {run.status}{reason}, {lab.config.metric.name} {value}, {duration(run.seconds)}"
        )


def _kept(lab: Lab, record: Record) -> list[str]:
    from autogit.trial.retention import kept

    return [str(path) for path in kept(lab.ledger.private, record.id)]


def _belief(belief: Belief) -> dict[str, str]:
    return {
        "proposer": belief.proposer,
        "tried": str(belief.attempts),
        "chance": f"{belief.probability:.0%}",
        "gain then": percent(belief.gain),
        "per hour": percent(belief.rate),
    }


def _trend(trend: Trend) -> dict[str, str]:
    return {
        "operator": trend.operator,
        "proposer": trend.proposer,
        "tried": str(trend.attempts),
        "accepted": str(trend.accepted),
        "rate": f"{trend.success_rate:.0%}",
        "mean gain": percent(trend.improvement),
    }


def _color(line: str) -> str | None:
    colors = {"+": "green", "-": "red", "@": "cyan"}
    return None if line.startswith(("+++", "---")) else colors.get(line[:1])
