"""`autogit export`."""

from __future__ import annotations

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab
from autogit.wording import counted


@click.command(epilog="Example:  autogit export --to mlflow && autogit export --to tsv --out results.tsv")
@click.option(
    "--to",
    "name",
    required=True,
    metavar="NAME",
    help="tsv, jsonl, csv, mlflow, tensorboard, wandb, or an installed one.",
)
@click.option(
    "--out", "target", metavar="PLACE", help="File, folder or tracking URI. Default: in the lab's private folder."
)
@json_option
@click.pass_context
def export(context: click.Context, name: str, target: str | None, as_json: bool) -> None:
    """Take the trials into another tool: metrics, learning curves, parameters, diffs.

    Again after more trials it adds those alone. `[observe] exporters` in the configuration does it while a loop runs.
    """
    lab = open_lab(context)
    done = lab.export(name, target)
    if as_json:
        echo_json({"to": name, "target": done.target, "added": done.added, "trials": len(lab.history)})
        return
    echo(f"{counted(done.added, 'trial')} added to {done.target}")
    echo(f"  open it: {done.hint}")
