"""`autogit mcp`: the lab as tools of a coding agent."""

from __future__ import annotations

import click


@click.command(epilog="Example:  claude mcp add autogit -- autogit mcp        # or: autogit install claude")
@click.pass_context
def mcp(context: click.Context) -> None:
    """Serve the lab to a coding agent, by the Model Context Protocol over standard input and output.

    The agent's own model thinks; no key is needed. Its tools: status, context, try, results, show, diff, log, ideas,
    stop. The agent's program starts it: see autogit install.
    """
    try:
        from autogit.mcp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        raise click.ClickException("autogit mcp needs the package mcp: pip install 'autogit[mcp]'") from None
    serve(context.find_root().obj)
