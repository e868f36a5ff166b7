"""`autogit gc`."""

from __future__ import annotations

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit gc --keep 500")
@click.option(
    "--keep", type=click.IntRange(min=0), metavar="COUNT",
    help="Drop the logs and curves of dead trials, but for the last COUNT of them. Code and records always stay.",
)  # fmt: skip
@json_option
@click.pass_context
def gc(context: click.Context, keep: int | None, as_json: bool) -> None:
    """Pack the lab's objects and refs, so that .git stays small."""
    dropped = open_lab(context).ledger.gc(keep)
    if as_json:
        echo_json({"dropped": dropped})
        return
    echo("packed" if keep is None else f"packed; the logs and curves of {dropped} dead trials dropped")
    if dropped:
        echo("  git frees their space some weeks from now, or at once with: git gc --prune=now")
