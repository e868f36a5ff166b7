"""`autogit init`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, echo_table, json_option, wrapped
from autogit.config.model import FILENAME
from autogit.errors import ConfigError
from autogit.setup.templates import TEMPLATES

if TYPE_CHECKING:
    from autogit.setup.metrics import Printed
    from autogit.setup.survey import Survey

_PLAIN = re.compile(r"[\w@%+=:,./{}~-]+")
"""Words that a shell takes as they are; braces are placeholders."""


class _WithCommand(click.Command):
    """A command whose words behind `--` are another program's."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Takes the words behind `--` aside."""
        place = args.index("--") if "--" in args else len(args)
        context.meta["command"] = args[place + 1 :]
        context.meta["given"] = place < len(args)
        return super().parse_args(context, args[:place])


@click.command(cls=_WithCommand, epilog="Example:  autogit init --script train.py --metric val_loss")
@click.argument("folder", metavar="[DIR] [-- COMMAND...]", required=False,
                type=click.Path(path_type=Path, file_okay=False))  # fmt: skip
@click.option("--script", default="", metavar="FILE", help="The script that trains, where it is not found by itself.")
@click.option("--metric", default="", metavar="NAME", help="The metric that decides, as the output names it.")
@click.option("--template", type=click.Choice(TEMPLATES), help="Copy a workspace that ships with autogit to DIR.")
@json_option
@click.pass_context
def init(
    context: click.Context, folder: Path | None, script: str, metric: str, template: str | None, as_json: bool
) -> None:
    """Look at the repository in DIR (default: here) and write its .autoresearch.toml.

    Finds the training script and its command (or takes COMMAND, with {seed}, {steps} and {out} in it), the metric that
    it prints, constants worth searching and data that git ignores. Nothing is overwritten, and what could not be told
    is said. Nothing is run, but a script that may train for ever: some seconds, in the sandbox, to propose a budget.
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
    from autogit.setup.probe import budgeted
    from autogit.setup.survey import survey

    command = _command(context)
    if command and script:
        raise click.UsageError("--script and a COMMAND behind -- both say what is run; give one of them")
    path = folder.resolve() / FILENAME
    if path.exists():
        away = f"mv {shlex.quote(FILENAME)} {shlex.quote(FILENAME)}.old"
        raise ConfigError(f"{path} is there already and stays as it is; to make another, move it away: {away}")
    found = survey(folder, script, metric, command)
    if _asks() and not as_json:
        found = _chosen(found, metric)
    path.write_text(draft(found), encoding="utf-8")
    if found.endless:
        if not as_json:
            echo(f"training may never end ({found.endless}); trying it for some seconds", err=True)
        found = budgeted(found)
        path.write_text(draft(found), encoding="utf-8")
    _queue(found)
    if as_json:
        echo_json(_summary(found) | {"configuration": str(path)})
    else:
        _tell(found, path)


def _command(context: click.Context) -> str:
    """The command behind `--`: one text for the shell, or words."""
    words: list[str] = context.meta["command"]
    if context.meta["given"] and not words:
        raise click.UsageError(
            "there is no COMMAND behind --; for example: autogit init -- python train.py --seed {seed}"
        )
    return (
        words[0]
        if len(words) == 1
        else " ".join(word if _PLAIN.fullmatch(word) else shlex.quote(word) for word in words)
    )


def _asks() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stdout.isatty()


def _chosen(found: Survey, metric: str) -> Survey:
    """The survey after the person has said which script and which metric is meant, if that could not be told."""
    from autogit.setup.survey import survey

    if not found.sure:
        shown = found.candidates[:9]
        echo("several scripts look as if they train:")
        for place, candidate in enumerate(shown, 1):
            echo(f"  {place}  {candidate.path}  ({candidate.why})")
        script = shown[_number("which one", len(shown)) - 1].path
        found = survey(found.folder, script, metric)
    if found.metric is None and not metric:
        name = click.prompt("no metric is found in the code; its name in the output", default="val_loss")
        found = survey(found.folder, found.script.path, name)
    elif found.metric is not None and not metric and not found.metric.sure and found.other_metrics:
        shown_metrics = [found.metric, *found.other_metrics]
        echo("several numbers may be the metric:")
        for place, each in enumerate(shown_metrics, 1):
            echo(f"  {place}  {each.name}, {each.direction} is better, printed at {each.place}")
        name = shown_metrics[_number("which one", len(shown_metrics)) - 1].name
        found = survey(found.folder, found.script.path, name)
    return found


def _number(question: str, last: int) -> int:
    return int(click.prompt(question, type=click.IntRange(1, last), default=1))


def _queue(found: Survey) -> None:
    """Queues what another loop's backlog would like to see tried, if it is not queued yet."""
    if not found.ideas:
        return
    from autogit.lab import Lab

    lab = Lab.open(found.folder)
    there = {idea.text for idea in lab.ideas()}
    for text in found.ideas:
        if text not in there:
            lab.add_idea(text)


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
    if found.ideas:
        echo(f"\nqueued {len(found.ideas)} ideas of another loop's list; see them with: autogit idea")
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
        "metric": _metric_words(metric) if metric else "not found",
        **({"evaluate": found.evaluate} if found.evaluate else {}),
        **({"budget": _budget(found)} if _budget(found) else {}),
        "editable": ", ".join(found.editable),
        "protected": list(found.protected),
        "data": list(found.data),
        "outside": list(found.outside),
        "not_chosen": list(found.others),
        "constants": {c.name: c.value for c in found.constants},
        "doubts": list(found.doubts),
    }


def _metric_words(metric: Printed) -> str:
    place = f", printed at {metric.place}" if metric.place else ""
    return f"{metric.name}, {metric.direction} is better{place}"


def _budget(found: Survey) -> str:
    if found.steps is not None:
        return f"{found.steps} steps"
    return "" if found.seconds is None else f"{found.seconds:g} seconds"
