"""`autogit top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogit.cli.common import json_option, open_lab
from autogit.cli.table import list_trials

if TYPE_CHECKING:
    pass


@click.command(epilog="Example:  autogit top -n 10")
@click.option("-n", "--count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@json_option
@click.pass_context
def top(context: click.Context, count: int, as_json: bool) -> None:
    """List the trials with the best metric, the best first; accepted or not."""
    lab = open_lab(context)
    list_trials(lab, lab.top(count), as_json)
