"""`autogit stop`."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import click

from autogit.cli.common import echo, echo_json, json_option, open_lab

if TYPE_CHECKING:
    from autogit.lab import Lab

ANSWER_SECONDS = 20.0
"""A loop has so long to take a signal in."""


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
    echo(f"the loop (process {pid}) ends {'now' if now else 'after the current trial; at once: autogit stop --now'}")


def _stopping(lab: Lab, pid: int) -> bool:
    from autogit.trial.live import read_live

    live = read_live(lab.ledger.private, pid)
    return live is not None and bool(live.stopping)


def _await(lab: Lab, pid: int) -> None:
    """Until the loop has taken the first signal in: a second one that comes too early would be the same one."""
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        if lab.ledger.running() != pid or _stopping(lab, pid):
            return
        time.sleep(0.05)
    raise click.ClickException(f"the loop (process {pid}) does not answer; end it with: kill {pid} (nothing is lost)")
