"""`autogit log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogit.cli.common import json_option, open_lab
from autogit.cli.table import list_trials

if TYPE_CHECKING:
    pass


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
    list_trials(lab, wanted, as_json, dead)
