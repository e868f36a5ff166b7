"""`autogit try`: one trial of a person's own diff."""

from __future__ import annotations

from typing import TextIO

import click

from autogit.cli.common import echo_json, json_option, open_lab
from autogit.report.export import record_dict


@click.command("try", epilog="Example:  git diff | autogit try - -m 'Warm up longer'")
@click.argument("patch", type=click.File("r", encoding="utf-8", errors="surrogateescape"))
@click.option("-m", "--title", help="What the change is. Default: the name of the file.")
@json_option
@click.pass_context
def try_(context: click.Context, patch: TextIO, title: str | None, as_json: bool) -> None:
    """Make one trial of PATCH, a unified diff from a file or - for standard input.

    It is judged like every other: accepted onto main when it beats the incumbent, a dead branch when not. A diff that
    does not land uses no number and changes nothing.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    name = "a diff from standard input" if patch.name in ("-", "<stdin>") else patch.name
    if as_json:
        echo_json(record_dict(lab.history, lab.attempt(patch.read(), title or f"Try {name}")))
        return
    with screen(lab) as observer:
        lab.attempt(patch.read(), title or f"Try {name}", observer)
