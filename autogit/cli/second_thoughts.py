"""Taking back: `autogit undo`, `autogit ablate` and `autogit reset`."""

from __future__ import annotations

from contextlib import nullcontext

import click

from autogit.cli.face import echo_json, json_option, open_lab, record_json


@click.command(epilog="Example:  autogit undo 17")
@click.argument("trial", metavar="N")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def undo(context: click.Context, trial: str, yes: bool, as_json: bool) -> None:
    """Take the accepted change of trial N back.

    Its revert goes on main as a trial of its own, with a number, and is measured. Nothing is erased.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    record = lab.trial(trial)
    if not yes:
        click.confirm(f"take {record.trial.ref} back ({record.trial.title})?", abort=True, err=as_json)
    if as_json:
        echo_json(record_json(lab, lab.undo(record.id)))
        return
    with screen(lab) as observer:
        lab.undo(record.id, observer)


@click.command(epilog="Example:  autogit ablate")
@json_option
@click.pass_context
def ablate(context: click.Context, as_json: bool) -> None:
    """Take each accepted change back in turn, and see which wins still matter.

    Each reversal is a trial on today's main; of a bundle of changes that matters each part is taken back, too. One
    that main is no worse without is accepted, as any simplification is (accept.margin says how much it may cost); the
    others show what their change is still worth.
    """
    from collections import Counter

    from autogit.cli.screen import screen
    from autogit.events import silent

    lab = open_lab(context)
    with nullcontext(silent) if as_json else screen(lab) as observer:
        found = list(lab.ablate(observer))
    if as_json:
        echo_json(
            [
                {
                    "trial": one.change.id,
                    "title": one.title,
                    "outcome": one.outcome,
                    "without": one.without and one.without.id,
                    "reason": one.without and one.without.reason,
                    "statistics": one.without and dict(one.without.statistics),
                }
                for one in found
            ]
        )
        return
    for one in found:
        why = "" if one.without is None else f" ({one.without.trial.ref} without it: {one.without.reason})"
        click.echo(f"{one.change.trial.ref} {one.title}: {one.outcome}{why}")
    found = [one for one in found if not one.part]
    counts = Counter(one.outcome for one in found)
    summary = ", ".join(f"{count} {standing}" for standing, count in counts.items())
    click.echo(f"{len(found)} accepted changes: {summary}" if found else "no change has been accepted on main yet")


@click.command(epilog="Example:  autogit reset --back")
@click.option("--back", is_flag=True, help="Return to what was put away last; what is there now is put away instead.")
@click.option("--number", metavar="NUMBER", help="With --back: to what was put away under this number.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def reset(context: click.Context, back: bool, number: str | None, yes: bool, as_json: bool) -> None:
    """Start the lab afresh, at trial 0; main and your files stay as they are.

    Every trial is kept under refs/autogit/archive/, and --back returns to it.
    """
    if number is not None and not back:
        raise click.UsageError("--number goes with --back")
    lab = open_lab(context)
    count = len(lab.history)
    if not yes:
        more = " and return to the earlier ones" if back else ""
        click.confirm(f"put {count} trials away{more}?", abort=True, err=as_json)
    lab_number = lab.reset_back(number) if back else lab.reset()
    if as_json:
        echo_json({"lab": lab_number, "put_away": count, "trials": len(lab.history)})
    elif back:
        click.echo(f"returned to lab {lab_number}: {len(lab.history)} trials")
    else:
        click.echo(f"{count} trials are put away as lab {lab_number}; return to them with: autogit reset --back")
