"""`autogit report`."""

from __future__ import annotations

from pathlib import Path

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit report night.html")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_context
def report(context: click.Context, file: Path | None, as_json: bool) -> None:
    """Write what the lab has found as one HTML page: best, progress, what was accepted and why, what was not.

    Without FILE it goes to the lab's private folder, where a loop writes it too when it ends.
    """
    lab = open_lab(context)
    page = lab.report(file)
    if as_json:
        echo_json({"report": str(page)})
    else:
        echo(page)
