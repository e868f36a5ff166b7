"""`autogit top`."""

from __future__ import annotations

import click

from autogit.cli.common import open_lab
from autogit.cli.table import Asked, list_trials, table_options


@click.command(epilog="Example:  autogit top -n 10 --where 'params < 1e6'")
@click.option("-n", "--count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@table_options
@click.pass_context
def top(context: click.Context, count: int, asked: Asked) -> None:
    """List the trials with the best metric, the best first; accepted or not."""
    lab = open_lab(context)
    list_trials(lab, lab.top(len(lab.history)), asked, count=count)
