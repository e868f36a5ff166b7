"""`autogit watch`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit watch --port 8642")
@click.option("--port", default=8642, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Another address lets others in: the page has a token then."
)
@json_option
@click.pass_context
def watch(context: click.Context, port: int, host: str, as_json: bool) -> None:
    """Serve the lab as a live page: what runs now beside the best, all trials, the queue, the machine, money.

    It has the buttons for what one does in the middle of a night. Loops come and go meanwhile; Ctrl-C ends the page and
    no loop.
    """
    try:
        from autogit.watch.serve import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the live page needs {error.name}: pip install 'autogit[watch]'") from None
    lab, folder = open_lab(context), Path(str(context.find_root().obj))

    def ready(address: str) -> None:
        if as_json:
            echo_json({"url": address})
        else:
            echo(f"{lab.ledger.root.name}: {address}  (Ctrl-C ends the page; the loop goes on)")
        sys.stdout.flush()

    try:
        serve(folder, host, port, ready)
    except KeyboardInterrupt:
        return
