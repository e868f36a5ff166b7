"""`autogit doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from autogit.cli.common import echo, echo_json, json_option, wrapped


@click.command(epilog="Example:  autogit -C my-lab doctor")
@json_option
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Look whether everything is in place, and start the training command for a few seconds, as a loop starts it.

    Tells of git, Python, GPUs, the sandbox, imports, data, the metric's line, the seed, the search space, patterns,
    models and agents, and the disk. Exit status 1 if something is wrong.
    """
    from autogit.setup.doctor.examination import examine
    from autogit.setup.doctor.findings import State

    found = []
    marks = {State.GOOD: ("ok", "green"), State.NOTE: ("note", "yellow"), State.WRONG: ("WRONG", "red")}
    for finding in examine(Path(context.find_root().obj)):
        found.append(finding)
        if not as_json:
            mark, color = marks[finding.state]
            line = wrapped(finding.text, f"{mark:<5}  {finding.subject:<10} ")
            echo(click.style(mark, fg=color) + line.removeprefix(mark))
    if as_json:
        echo_json([asdict(finding) for finding in found])
    if any(finding.state is State.WRONG for finding in found):
        sys.exit(1)
