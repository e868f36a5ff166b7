"""`autogit stop`."""

from __future__ import annotations

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit stop --now")
@click.option("--now", is_flag=True, help="Give up the current trial; it runs again under its number next time.")
@json_option
@click.pass_context
def stop(context: click.Context, now: bool, as_json: bool) -> None:
    """Ask the running loop to end after the current trial."""
    pid = open_lab(context).stop(now)
    if as_json:
        echo_json({"pid": pid, "now": now})
        return
    echo(f"the loop (process {pid}) ends {'now' if now else 'after the current trial; at once: autogit stop --now'}")
