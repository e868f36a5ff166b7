"""`autogit try`: one trial of a person's own diff."""

from __future__ import annotations

from typing import TextIO

import click

from autogit.cli.common import echo_json, json_option, open_lab
from autogit.report.export import record_dict


@click.command("try", epilog="Example:  git diff | autogit try - -m 'Warm up longer'")
@click.argument("patch", type=click.File("r", encoding="utf-8", errors="surrogateescape"))
@click.option("-m", "--title", help="What the change is. Default: the TITLE in PATCH, or its file name.")
@json_option
@click.pass_context
def try_(context: click.Context, patch: TextIO, title: str | None, as_json: bool) -> None:
    """Make one trial of PATCH, a unified diff or a model's whole answer, from a file or - for standard input.

    TITLE, KIND, HYPOTHESIS and EXPECTED of an answer (autogit context | MODEL | autogit try -) are kept in its record.

    It is judged like every other: accepted onto main when it beats the incumbent, a dead branch when not. A diff that
    does not land, or repeats a trial of the same code, uses no number and changes nothing.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    name = "a diff from standard input" if patch.name in ("-", "<stdin>") else patch.name
    if as_json:
        echo_json(record_dict(lab.history, lab.attempt(patch.read(), title or "", untitled=f"Try {name}")))
        return
    with screen(lab) as observer:
        lab.attempt(patch.read(), title or "", observer, untitled=f"Try {name}")
