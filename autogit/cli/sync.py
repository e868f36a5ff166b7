"""`autogit sync`."""

from __future__ import annotations

from dataclasses import asdict

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


@click.command(epilog="Example:  autogit sync origin")
@click.argument("remote")
@click.option("--no-trials", is_flag=True, help="Leave out the tags of trials: they can start a remote's pipelines.")
@json_option
@click.pass_context
def sync(context: click.Context, remote: str, no_trials: bool, as_json: bool) -> None:
    """Send the lab to REMOTE, a git remote's name or URL, and fetch what other labs have put there.

    main, tags, notes and refs/autogit/* go both ways, fast-forwards only; records of both sides are merged.
    """
    lab = open_lab(context)
    done = lab.ledger.sync(remote, trials=not no_trials)
    if as_json:
        echo_json(asdict(done) | {"trials": len(lab.trials())})
        return
    for word in done.words:
        echo(f"  {word}")
    echo(f"in step with {remote}: {done.received} trials came in, {len(lab.trials())} in all")
    if done.again:
        names = ", ".join(f"exp/{trial}" for trial in done.again)
        echo(f"  main moved there first: {names} superseded; the next loop tries again on the new main")
