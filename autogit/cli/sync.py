"""The lab as a whole: `autogit sync` and `autogit gc`."""

from __future__ import annotations

from dataclasses import asdict

import click

from autogit.cli.face import echo_json, json_option, open_lab


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
        click.echo(f"  {word}")
    click.echo(f"in step with {remote}: {done.received} trials came in, {len(lab.trials())} in all")
    if done.again:
        names = ", ".join(f"exp/{trial}" for trial in done.again)
        click.echo(f"  main moved there first: {names} superseded; the next loop tries again on the new main")


@click.command(epilog="Example:  autogit gc --keep 500")
@click.option(
    "--keep", type=click.IntRange(min=0), metavar="COUNT",
    help="Drop the logs and curves of dead trials, but for the last COUNT of them. Code and records always stay.",
)  # fmt: skip
@json_option
@click.pass_context
def gc(context: click.Context, keep: int | None, as_json: bool) -> None:
    """Pack the lab's objects and refs, so that .git stays small."""
    dropped = open_lab(context).ledger.gc(keep)
    if as_json:
        echo_json({"dropped": dropped})
        return
    click.echo("packed" if keep is None else f"packed; the logs and curves of {dropped} dead trials dropped")
    if dropped:
        click.echo("  git frees their space some weeks from now, or at once with: git gc --prune=now")
