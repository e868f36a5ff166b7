"""`autogit undo`."""

from __future__ import annotations

import click

from autogit.cli.common import echo_json, json_option, open_lab, trial_argument
from autogit.report.export import record_dict
from autogit.wording import plain


@click.command(epilog="Example:  autogit undo 17")
@trial_argument("trial")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def undo(context: click.Context, trial: str, yes: bool, as_json: bool) -> None:
    """Take the accepted change of trial N back.

    Its revert goes on main as a trial of its own, with a number, and is measured. Nothing is erased.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    record = lab.trial(trial)
    if not yes:
        click.confirm(f"take {record.trial.ref} back ({plain(record.trial.title)})?", abort=True, err=as_json)
    if as_json:
        echo_json(record_dict(lab.history, lab.undo(record.id)))
        return
    with screen(lab) as observer:
        lab.undo(record.id, observer)
