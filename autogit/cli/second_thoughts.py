"""Taking back: `autogit undo` and `autogit reset`."""

from __future__ import annotations

import click

from autogit.cli.face import open_lab


@click.command(epilog="Example:  autogit undo 17")
@click.argument("trial", metavar="N")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def undo(context: click.Context, trial: str, yes: bool) -> None:
    """Take the accepted change of trial N back.

    Its revert goes on main as a trial of its own, with a number, and is measured. Nothing is erased.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    record = lab.trial(trial)
    if not yes:
        click.confirm(f"take {record.trial.ref} back ({record.trial.title})?", abort=True)
    with screen(lab) as observer:
        lab.undo(record.id, observer)


@click.command(epilog="Example:  autogit reset --back")
@click.option("--back", is_flag=True, help="Return to what was put away last; what is there now is put away instead.")
@click.option("--number", type=click.IntRange(min=1), help="With --back: to what was put away under this number.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def reset(context: click.Context, back: bool, number: int | None, yes: bool) -> None:
    """Start the lab afresh, at trial 0; main and your files stay as they are.

    Every trial is kept under refs/autogit/archive/, and --back returns to it.
    """
    if number is not None and not back:
        raise click.UsageError("--number goes with --back")
    lab = open_lab(context)
    count = len(lab.history)
    if not yes:
        click.confirm(f"put {count} trials away{' and return to the earlier ones' if back else ''}?", abort=True)
    if back:
        returned = lab.reset_back(number)
        click.echo(f"returned to lab {returned}: {len(lab.history)} trials")
    else:
        away = lab.reset()
        click.echo(f"{count} trials are put away as lab {away}; return to them with: autogit reset --back")
