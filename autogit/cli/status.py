"""A running loop seen from another terminal: `autogit status` and `autogit stop`."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.face import echo_json, json_option, megabytes, metric_name, open_lab, spent, wrapped
from autogit.wording import duration, number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.trial.live import Live

PATIENCE = 20.0
"""Seconds in which a loop has to answer."""


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


@click.command(epilog="Example:  autogit stop --now")
@click.option("--now", is_flag=True, help="Give up the current trial; it runs again under its number next time.")
@json_option
@click.pass_context
def stop(context: click.Context, now: bool, as_json: bool) -> None:
    """Ask the running loop to end after the current trial."""
    lab = open_lab(context)
    pid = lab.ledger.running()
    if pid is None:
        raise click.ClickException("no loop runs on this lab: there is nothing to stop")
    if not _stopping(lab, pid):
        os.kill(pid, signal.SIGINT)
        _await(lab, pid)
    if now and lab.ledger.running() == pid:
        os.kill(pid, signal.SIGINT)
    if as_json:
        echo_json({"pid": pid, "now": now})
        return
    click.echo(
        f"the loop (process {pid}) ends {'now' if now else 'after the current trial; at once: autogit stop --now'}"
    )


def _stopping(lab: Lab, pid: int) -> bool:
    from autogit.trial.live import read_live

    live = read_live(lab.ledger.private, pid)
    return live is not None and bool(live.stopping)


def _await(lab: Lab, pid: int) -> None:
    """Until the loop has taken the first signal in: a second one that comes too early would be the same one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if lab.ledger.running() != pid or _stopping(lab, pid):
            return
        time.sleep(0.05)
    raise click.ClickException(f"the loop (process {pid}) does not answer; end it with: kill {pid} (nothing is lost)")


def _tell(lab: Lab, pid: int | None, live: Live | None) -> None:
    now = time.time()
    if pid is None:
        click.echo("no loop runs on this lab")
    elif live is None:
        click.echo(f"a loop is starting (process {pid})")
    else:
        limits = f" of {live.trials}" if live.trials else ""
        side = f", {live.jobs} side by side" if live.jobs > 1 else ""
        click.echo(
            f"loop (process {pid}) for {duration(now - live.started)}{side}: {live.closed}{limits} trials closed"
        )
        for slot in live.slots.values():
            loss = "" if slot.step is None else f", seed {slot.seed} step {slot.step} loss {number(slot.loss)}"
            share = "" if slot.share is None else f" ({slot.share:.0%})"
            click.echo(wrapped(f"{slot.title}: for {duration(now - slot.since)}{loss}{share}", f"  exp/{slot.trial}  "))
        if live.stopping:
            click.echo(f"  ends after this: {live.stopping}")
    facts = _facts(lab)
    best = lab.best()
    if best is not None:
        gain = "" if best.trial.is_baseline else f", {percent(lab.improvement(best))} over the baseline"
        click.echo(f"best     {best.trial.ref} {metric_name(lab)} {number(facts['best_value'])}{gain}")
    click.echo(f"trials   {facts['trials']}, {facts['accepted']} accepted, {facts['open']} open")
    if facts["noise"] is not None:
        click.echo(f"noise    {number(facts['noise'])} (standard deviation of a difference between two runs)")
    click.echo(f"disk     {megabytes(facts['disk_bytes'])} in {lab.ledger.private}")
    if cost := spent(lab.trials()):
        click.echo(cost)
    _tell_ideas(lab)


def _tell_ideas(lab: Lab) -> None:
    from autogit.propose.ideas import awaited

    ideas = lab.ideas()
    for each in ideas:
        click.echo(f"idea     {each.id}  {' '.join(each.text.split())}")
    if ideas:
        click.echo(f"         {awaited(lab.config)}")


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
