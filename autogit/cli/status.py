"""`autogit status`: a running loop seen from another terminal."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.common import echo, echo_json, json_option, megabytes, metric_name, open_lab, pulse, spent, wrapped
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.trial.live import Live


@click.command(epilog="Example:  watch autogit status")
@json_option
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show what is being tried, since when, the loss so far, the best, noise, disk, money, and ideas that wait."""
    from autogit.trial.live import read_live

    lab = open_lab(context)
    pid = lab.ledger.running()
    live = None if pid is None else read_live(lab.ledger.private, pid)
    if as_json:
        echo_json(_facts(lab) | {"pid": pid, "loop": None if live is None else asdict(live)})
    else:
        _tell(lab, pid, live)


def _tell(lab: Lab, pid: int | None, live: Live | None) -> None:
    now = time.time()
    if pid is None:
        echo("no loop runs on this lab")
    elif live is None:
        echo(f"a loop is starting (process {pid})")
    else:
        limits = f" of {live.trials}" if live.trials else ""
        side = f", {live.jobs} side by side" if live.jobs > 1 else ""
        echo(f"loop (process {pid}) for {duration(now - live.started)}{side}: {live.closed}{limits} trials closed")
        for slot in live.slots.values():
            loss = "" if slot.step is None else f", seed {slot.seed} step {slot.step} loss {number(slot.loss)}"
            share = "" if slot.share is None else f" ({slot.share:.0%})"
            echo(wrapped(f"{slot.title}: for {duration(now - slot.since)}{loss}{share}", f"  exp/{slot.trial}  "))
            if slot.heard is not None:
                seed = f"seed {slot.seed}: " if slot.step is None else ""
                echo(wrapped(seed + pulse(now - slot.heard, slot.line, slot.cores), " " * (8 + len(slot.trial))))
        if live.notice:
            echo(wrapped(live.notice, "  "))
        if live.stopping:
            echo(f"  ends after this: {live.stopping}")
    facts = _facts(lab)
    best = lab.best()
    if best is not None:
        gain = "" if best.trial.is_baseline else f", {percent(lab.improvement(best))} over the baseline"
        echo(f"best     {best.trial.ref} {metric_name(lab)} {number(facts['best_value'])}{gain}")
    echo(f"trials   {facts['trials']}, {facts['accepted']} accepted, {facts['open']} open")
    if facts["noise"] is not None:
        echo(f"noise    {number(facts['noise'])} (standard deviation of a difference between two runs)")
    echo(f"disk     {megabytes(facts['disk_bytes'])} in {lab.ledger.private}")
    if cost := spent(lab.trials()):
        echo(cost)
    _tell_ideas(lab)


def _tell_ideas(lab: Lab) -> None:
    from autogit.propose.lineage import awaited

    ideas = lab.ideas()
    for each in ideas:
        echo(f"idea     {each.id}  {' '.join(each.text.split())}")
    if ideas:
        echo(f"         {awaited(lab.config)}")


def _facts(lab: Lab) -> dict[str, Any]:
    from autogit.history import spending
    from autogit.trial.retention import size

    best, paid = lab.best(), spending(lab.trials())
    measured = lab.noise()
    return {
        "best": None if best is None else best.id,
        "best_value": None if best is None else lab.history.value(best),
        "improvement_percent": None if best is None else lab.improvement(best),
        "trials": len(lab.history),
        "accepted": len(lab.history.accepted),
        "open": len(lab.ledger.unfinished()),
        "noise": None if measured is None else measured.sd,
        "disk_bytes": size(lab.ledger.private),
        "cost": None if paid is None else paid.usage.cost,
        "cost_per_accepted": None if paid is None else paid.cost_per_accepted,
        "ideas": [each.text for each in lab.ideas()],
    }
