"""`autogit idea`: what a person would like to see tried."""

from __future__ import annotations

from dataclasses import asdict

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit idea 'try grouped-query attention'")
@click.argument("text", required=False)
@json_option
@click.pass_context
def idea(context: click.Context, text: str | None, as_json: bool) -> None:
    """Queue TEXT as a direction for the next proposal of a model or an agent; without TEXT list what waits.

    An idea is kept in git and is used when a trial names it. A running loop takes it up too.
    """
    from autogit.propose.lineage import awaited

    lab = open_lab(context)
    if text is not None and not text.strip():
        raise click.UsageError("the idea is empty; say in a sentence what to try")
    added = None if text is None else lab.add_idea(text)
    ideas = lab.ideas()
    if as_json:
        echo_json([asdict(each) for each in ideas])
    elif added is not None:
        echo(f"queued {added.id}. {awaited(lab.config)}")
    elif not ideas:
        echo("no idea waits; queue one with: autogit idea 'what to try'")
    else:
        for each in ideas:
            echo(f"{each.id}  {each.added[:16].replace('T', ' ')}  {' '.join(each.text.split())}")
        echo(awaited(lab.config))
