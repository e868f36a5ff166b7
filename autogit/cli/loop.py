"""`autogit loop`."""

from __future__ import annotations

import signal
import sys
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Literal

import click

from autogit.cli.common import INTERRUPTED, echo, echo_json, json_text, open_lab, wrapped
from autogit.events import Closed, Ended, Event
from autogit.report.export import record_dict

if TYPE_CHECKING:
    from autogit.lab import Lab

PREVIEWED = 5
"""Proposals that a dry run shows."""


@click.command(epilog="Example:  autogit loop --hours 8 --patience 40")
@click.option("-n", "--trials", type=click.IntRange(min=1), help="End after so many trials.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="End after so much time.")
@click.option("--target", type=float, help="End when the metric reaches this value.")
@click.option("--patience", type=click.IntRange(min=1), help="End after so many trials in a row without improvement.")
@click.option("--max-cost", type=click.FloatRange(min=0), help="Money for models and agents; the others go on.")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), help="Trials side by side. Default: one for each GPU, else one."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the choice of proposals.")
@click.option(
    "--null-rate",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.0,
    help="Share of trials that change nothing, to see how often the rule is fooled; never merged.",
)
@click.option("--only", type=click.Choice(["llm", "agent"]), help="Let nobody but the models, or the agent, propose.")
@click.option("--dry-run", is_flag=True, help="Show the next five proposals as diffs; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs: a line a trial, one at the end.")
@click.pass_context
def loop(
    context: click.Context,
    trials: int | None,
    hours: float | None,
    target: float | None,
    patience: int | None,
    max_cost: float | None,
    jobs: int | None,
    seed: int,
    null_rate: float,
    only: Literal["llm", "agent"] | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Do research: propose, commit, train, evaluate, decide, record; again.

    Options go before [limits] of the configuration. Ctrl-C ends it after the current trial, a second one now;
    nothing is lost either way.
    """
    from autogit.cli.screen import screen

    lab = open_lab(context)
    if dry_run:
        _preview(lab, seed, as_json)
        return
    # A shell that starts a command in the background tells it to ignore Ctrl-C, and `autogit stop` is one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    with nullcontext(partial(_lines, lab)) if as_json else screen(lab) as observer:
        ended = lab.loop(trials, hours, target, patience, jobs, seed, observer, max_cost, null_rate, only or "")
    page = lab.report()
    if not as_json:
        echo(f"report: {page}")
    if ended.interrupted:
        sys.exit(INTERRUPTED)
    if ended.failed:
        sys.exit(1)


def _lines(lab: Lab, event: Event) -> None:
    match event:
        case Closed():
            echo(json_text(record_dict(lab.history, event.record)))
        case Ended():
            accepted = [record.id for record in event.accepted]
            facts = {
                "ended": event.reason,
                "trials": event.trials,
                "accepted": accepted,
                "seconds": event.seconds,
                "failed": event.failed,
            }
            echo(json_text(facts))
        case _:
            pass


def _preview(lab: Lab, seed: int, as_json: bool) -> None:
    proposals = lab.preview(PREVIEWED, seed)
    if as_json:
        echo_json([asdict(proposal) for proposal in proposals])
        return
    for position, proposal in enumerate(proposals, 1):
        words = f"{proposal.title}  ({proposal.proposer}, {proposal.operator})"
        echo(wrapped(words, f"{position}. "), bold=True)
        if proposal.rationale:
            echo(wrapped(proposal.rationale, "   "))
        echo(f"\n{proposal.diff}")


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
