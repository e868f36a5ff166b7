"""`autogit ablate`."""

from __future__ import annotations

from contextlib import nullcontext

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab


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
        echo(f"{one.change.trial.ref} {one.title}: {one.outcome}{why}")
    found = [one for one in found if not one.part]
    counts = Counter(one.outcome for one in found)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    echo(f"{len(found)} accepted changes: {summary}" if found else "no change has been accepted on main yet")
