"""`autogit trends`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, echo_table, json_option, luck, open_lab
from autogit.wording import percent

if TYPE_CHECKING:
    from autogit.history import Trend
    from autogit.propose.beliefs import Belief


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
                "ranking": None if (ranking := lab.ranking()) is None else asdict(ranking),
                "luck": dict(zip(("itself", "null_trials"), map(asdict, lab.fooled()), strict=True)),
            }
        )
        return
    if not found:
        echo("no trials yet; start with: autogit loop")
        return
    echo_table([_trend(trend) for trend in found], ("tried", "accepted", "rate", "mean gain"), "operator")
    echo("\nbelieved of the next trial of each proposer:")
    rows = [_belief(belief) for belief in believed if not belief.operator]
    echo_table(rows, ("tried", "chance", "gain then", "per hour"), "proposer")
    if importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in importance.items() if share >= 0.01)
        echo(f"\nwhat made parameter trials good: {shares}")
    if pruning.stopped or pruning.spared:
        echo(
            f"\nstopped early: {pruning.stopped}; spared to check that: {pruning.spared}, "
            f"of which {pruning.won} would have won"
        )
    if (ranking := lab.ranking()) is not None:
        echo(f"\n{ranking}")
    for words in luck(lab):
        echo(f"\n{words}")


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
