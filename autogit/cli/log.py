"""`autogit log`."""

from __future__ import annotations

import click

from autogit.cli.common import open_lab
from autogit.cli.table import Asked, list_trials, table_options


@click.command(epilog="Example:  autogit log --accepted --where 'seconds < 60' --sort gain")
@click.option("--accepted", is_flag=True, help="Only what was accepted.")
@click.option("--dead", is_flag=True, help="Only what was not.")
@table_options
@click.pass_context
def log(context: click.Context, accepted: bool, dead: bool, asked: Asked) -> None:
    """List every trial, the oldest first.

    --where takes conditions on trial, verdict, operator, proposer, title, reason, seconds, gain (percent over the
    baseline), effect (over what it had to beat) and on every metric, statistic and parameter by its name.
    """
    if accepted and dead:
        raise click.UsageError("--accepted and --dead leave nothing; take one of them, or none for all trials")
    lab = open_lab(context)
    wanted = [r for r in lab.trials() if (r.accepted or not accepted) and (r.verdict.dead or not dead)]
    list_trials(lab, wanted, asked, reasons=dead)
