"""`autogit completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from autogit.cli.common import echo


@click.command(epilog='Example:  eval "$(autogit completion zsh)"    # in fish: autogit completion fish | source')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes autogit's commands and options in SHELL; put it where your shell starts."""
    kind = get_completion_class(shell)
    assert kind is not None
    echo(kind(context.find_root().command, {}, "autogit", "_AUTOGIT_COMPLETE").source())
