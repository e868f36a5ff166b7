"""`autogit reset`."""

from __future__ import annotations

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit reset --back")
@click.option("--back", is_flag=True, help="Return to what was put away last; what is there now is put away instead.")
@click.option("--number", metavar="NUMBER", help="With --back: to what was put away under this number.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def reset(context: click.Context, back: bool, number: str | None, yes: bool, as_json: bool) -> None:
    """Start the lab afresh, at trial 0; main and your files stay as they are.

    Every trial is kept under refs/autogit/archive/, and --back returns to it.
    """
    if number is not None and not back:
        raise click.UsageError("--number goes with --back")
    lab = open_lab(context)
    count = len(lab.history)
    if not yes:
        more = " and return to the earlier ones" if back else ""
        click.confirm(f"put {count} trials away{more}?", abort=True, err=as_json)
    lab_number = lab.reset_back(number) if back else lab.reset()
    if as_json:
        echo_json({"lab": lab_number, "put_away": count, "trials": len(lab.history)})
    elif back:
        echo(f"returned to lab {lab_number}: {len(lab.history)} trials")
    else:
        echo(f"{count} trials are put away as lab {lab_number}; return to them with: autogit reset --back")
