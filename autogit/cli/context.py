"""`autogit context`: the briefing for whatever makes the next proposal."""

from __future__ import annotations

import click

from autogit.cli.common import echo, open_lab


@click.command("context", epilog="Example:  autogit context | llm > answer.txt; autogit try answer.txt -m 'Its idea'")
@click.option("--tokens", type=click.IntRange(min=1), default=60_000, show_default=True, help="Most tokens, estimated.")
@click.pass_context
def context_(context: click.Context, tokens: int) -> None:
    """Print what a model is told before it proposes: goal, rules, code, and what was tried with which effect.

    Any tool that answers it with a diff can be the proposer: give its answer to autogit try.
    """
    echo(open_lab(context).briefing(tokens), nl=False)
