"""`autogit best`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo_json, json_option, open_lab
from autogit.cli.show import show_record
from autogit.report.export import record_dict

if TYPE_CHECKING:
    pass


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
        echo_json(record_dict(lab.history, record))
    else:
        show_record(lab, record)
