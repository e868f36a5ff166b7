"""`autogit install`: introduces autogit to a coding agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, json_option

if TYPE_CHECKING:
    from autogit.mcp.hosts import Scope


@click.command(epilog="Example:  autogit install claude; autogit install codex --remove")
@click.argument("host", type=click.Choice(["claude", "codex", "opencode", "gemini", "cursor"]))
@click.option("--scope", type=click.Choice(["project", "user"]), help="For this folder, or for you. Codex: user.")
@click.option("--remove", is_flag=True, help="Take back what was written.")
@json_option
@click.pass_context
def install(context: click.Context, host: str, scope: Scope | None, remove: bool, as_json: bool) -> None:
    """Introduce autogit to HOST: write its skill, and its server (autogit mcp) where HOST looks for servers.

    All else in the files of HOST stays as it is, comments too. A server of the project names the interpreter and the
    folder by their full paths, so that it starts wherever HOST does.
    """
    import importlib.util

    from autogit.mcp import hosts

    chosen = hosts.HOSTS[host]
    where = scope or chosen.scope
    project = Path(context.find_root().obj).resolve()
    if remove:
        done = hosts.remove(chosen, where, project)
        if not done and not as_json:
            echo(f"nothing of autogit is installed for {chosen.title} ({where})")
    else:
        if importlib.util.find_spec("mcp") is None:
            raise click.ClickException("autogit mcp needs the package mcp: pip install 'autogit[mcp]'")
        done = hosts.install(chosen, where, project)
    if as_json:
        echo_json([{"path": str(place.path), "done": place.done} for place in done])
        return
    for place in done:
        echo(f"{place.done} {place.path}")
    if not remove:
        echo(f"{chosen.title}: {chosen.next}")
