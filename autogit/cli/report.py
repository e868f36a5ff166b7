"""`autogit report`."""

from __future__ import annotations

from pathlib import Path

import click

from autogit.cli.face import open_lab


@click.command(epilog="Example:  autogit report night.html")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def report(context: click.Context, file: Path | None) -> None:
    """Write what the lab has found as one HTML page: best, progress, what was accepted and why, what was not.

    Without FILE it goes to the lab's private folder, where a loop writes it too when it ends.
    """
    lab = open_lab(context)
    click.echo(lab.report(file))
