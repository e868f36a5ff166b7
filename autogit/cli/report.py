"""`autogit report`."""

from __future__ import annotations

from pathlib import Path

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit report night.html; autogit report --svg night.svg")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--svg", "form", flag_value="svg", help="The progress chart alone, as a picture for a README or a chat.")
@click.option("--png", "form", flag_value="png", help="The same as PNG (needs autogit[report]).")
@click.option("--markdown", "form", flag_value="markdown", help="As text for a pull request or a knowledge base.")
@click.option("--notebook", "form", flag_value="notebook", help="As a Jupyter notebook that asks the lab itself.")
@json_option
@click.pass_context
def report(context: click.Context, file: Path | None, form: str | None, as_json: bool) -> None:
    """Write what the lab has found as one HTML page: best, progress, what was accepted and why, what was not.

    The page needs no network and no other file. Without FILE it goes to the lab's private folder, where a loop writes
    it too when it ends.
    """
    lab = open_lab(context)
    page = lab.report(file, form or "html")
    if as_json:
        echo_json({"report": str(page)})
    else:
        echo(page)
