"""`autogit trends`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, echo_table, echo_tsv, luck, open_lab, paged, wrapped
from autogit.cli.table import Asked, table_options
from autogit.wording import percent

if TYPE_CHECKING:
    from autogit.history import Pruning, Trend
    from autogit.lab import Lab
    from autogit.propose.beliefs import Belief


@click.command(epilog="Example:  autogit trends")
@table_options
@click.pass_context
def trends(context: click.Context, asked: Asked) -> None:
    """Show how each kind of move has done, what the portfolio now believes, and which parameters matter.

    A belief is a proposer's chance that its next trial is accepted, what it would gain then, and both together per
    hour of training: the odds by which turns are given. Last, how many runs were stopped early because they could not
    win, and what those show that were let finish all the same.
    """
    from autogit.report.select import chosen

    lab = open_lab(context)
    found, believed, importance, pruning = lab.trends(), lab.beliefs(), lab.importance(), lab.pruning()
    if found:
        found = chosen(found, _fields, asked.where, asked.sort)
    if asked.as_tsv:
        echo_tsv([_fields(trend) for trend in found])
        return
    if asked.as_json:
        echo_json(
            {
                "trends": [asdict(trend) | {"success_rate": trend.success_rate} for trend in found],
                "beliefs": [asdict(belief) | {"rate": belief.rate} for belief in believed],
                "importance": dict(importance),
                "pruning": asdict(pruning),
                "ranking": None if (ranking := lab.ranking()) is None else asdict(ranking),
                "luck": dict(zip(("itself", "null_trials"), map(asdict, lab.fooled()), strict=True)),
            }
        )
        return
    with paged():
        _tell(lab, found, believed, importance, pruning)


def _tell(
    lab: Lab, found: list[Trend], believed: list[Belief], importance: Mapping[str, float], pruning: Pruning
) -> None:
    if not found:
        echo("no trials yet; start with: autogit loop")
        return
    echo_table(
        [_trend(trend) for trend in found], ("tried", "accepted", "rate", "mean gain"), "operator", ("proposer", "rate")
    )
    echo("\n" + wrapped("believed of the next trial of each proposer:", ""))
    rows = [_belief(belief) for belief in believed if not belief.operator]
    echo_table(rows, ("tried", "chance", "gain then", "per hour"), "proposer", ("gain then",))
    if importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in importance.items() if share >= 0.01)
        echo("\n" + wrapped(f"what made parameter trials good: {shares}", ""))
    if pruning.stopped or pruning.spared:
        words = f"stopped early: {pruning.stopped}; spared to check that: {pruning.spared}, "
        words += f"of which {pruning.won} would have won"
        echo("\n" + wrapped(words, ""))
    if (ranking := lab.ranking()) is not None:
        echo("\n" + wrapped(str(ranking), ""))
    for words in luck(lab):
        echo("\n" + wrapped(words, ""))


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


def _fields(trend: Trend) -> dict[str, float | str]:
    """What --where and --sort can ask of a kind of move."""
    found: dict[str, float | str] = {
        "operator": trend.operator, "proposer": trend.proposer, "tried": float(trend.attempts),
        "accepted": float(trend.accepted), "rate": trend.success_rate,
    }  # fmt: skip
    return found if trend.improvement is None else found | {"gain": trend.improvement}
