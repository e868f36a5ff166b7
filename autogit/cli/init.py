"""`autogit init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, echo_table, json_option, wrapped
from autogit.config.model import FILENAME
from autogit.errors import ConfigError
from autogit.setup.templates import TEMPLATES

if TYPE_CHECKING:
    from autogit.setup.survey import Survey


@click.command(epilog="Example:  autogit init --template gpt my-lab")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--template", type=click.Choice(TEMPLATES), help="Copy a workspace that ships with autogit to DIR.")
@json_option
@click.pass_context
def init(context: click.Context, folder: Path | None, template: str | None, as_json: bool) -> None:
    """Look at the repository in DIR (default: here) and write its .autoresearch.toml.

    Finds the training script and its command, the metric that it prints, constants worth searching and data that git
    ignores. Nothing is run, nothing is overwritten, and what could not be told is said.
    """
    folder = Path(context.find_root().obj) / (folder or "")
    if template is not None:
        from autogit.setup.templates import copy_template

        if context.params["folder"] is None:
            raise click.UsageError(f"--template {template} needs a folder: autogit init --template {template} my-lab")
        copy_template(template, folder)
        if as_json:
            echo_json({"folder": str(folder)})
        else:
            echo(f"{folder} is a workspace now; next: cd {shlex.quote(str(folder))} && autogit loop")
        return
    from autogit.setup.draft import draft
    from autogit.setup.survey import survey

    path = folder.resolve() / FILENAME
    if path.exists():
        raise ConfigError(f"{path} is there already and stays as it is; move it away to make another")
    found = survey(folder)
    path.write_text(draft(found), encoding="utf-8")
    if as_json:
        echo_json(_summary(found) | {"configuration": str(path)})
    else:
        _tell(found, path)


def _tell(found: Survey, path: Path) -> None:
    place = f", {found.prefix} of its repository" if found.prefix else ""
    echo(f"looked at {found.folder}{place}\n")
    for name, value in _summary(found).items():
        if isinstance(value, str):
            echo(f"  {name:<10} {value}")
    lists = {"protected": found.protected, "data": found.data, "outside": found.outside, "not chosen": found.others}
    for name, paths in lists.items():
        if paths:
            echo(f"  {name:<10} {', '.join(paths)}")
    if found.constants:
        echo()
        rows = [{"search": c.name, "now": str(c.value), "in": str(c.place)} for c in found.constants]
        echo_table(rows, ("now",), "in")
    if found.doubts:
        echo("\ncould not tell:")
        for doubt in found.doubts:
            echo(wrapped(doubt, "  - "))
    echo(f"\nwrote {path}")
    echo("next: read it, then autogit doctor, autogit loop --dry-run, autogit loop")


def _summary(found: Survey) -> dict[str, object]:
    metric = found.metric
    return {
        "script": found.script.path,
        "command": found.script.command,
        "metric": f"{metric.name}, {metric.direction} is better, printed at {metric.place}" if metric else "not found",
        "editable": ", ".join(found.editable),
        "protected": list(found.protected),
        "data": list(found.data),
        "outside": list(found.outside),
        "not_chosen": list(found.others),
        "constants": {c.name: c.value for c in found.constants},
        "doubts": list(found.doubts),
    }
