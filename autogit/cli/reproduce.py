"""`autogit reproduce`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.common import consent, echo, echo_json, json_option, open_lab, trial_argument
from autogit.wording import number

if TYPE_CHECKING:
    from autogit.trial.reproduce import Reproduction


@click.command(epilog="Example:  autogit reproduce 17")
@trial_argument("trial")
@click.option("--seed", "seeds", type=int, multiple=True, help="Repeat the run of this seed (again for more of them).")
@click.option("--yes", is_flag=True, help="Run the commands of another clone's configuration without asking.")
@json_option
@click.pass_context
def reproduce(context: click.Context, trial: str, seeds: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Run trial N again from its tag and compare with its record.

    Without --seed its first run is made again. Identical: the same end and equal metrics, time and memory left aside.
    Within noise: the metric differs no more than luck makes it differ here. Different: exit status 1, and what has
    changed in the environment is named.
    """
    from autogit.trial.reproduce import Outcome

    lab = open_lab(context)
    found = lab.reproduce(trial, seeds or None, consent=consent(yes))
    if as_json:
        echo_json(reproduction_json(found))
    else:
        _tell(found, lab.config.metric.name)
    if found.outcome is Outcome.DIFFERENT:
        sys.exit(1)


def _tell(found: Reproduction, metric: str) -> None:
    echo(f"exp/{found.trial}  {found.outcome}", bold=True)
    for repeat in found.repeats:
        before, now = repeat.recorded, repeat.again
        ends = str(now.status) if before.status is now.status else f"{now.status}, was {before.status}"
        values = f"{metric} {number(now.metrics.get(metric))}, was {number(before.metrics.get(metric))}"
        echo(f"  seed {before.seed}: {repeat.outcome} ({ends}; {values})")
        for name in repeat.metrics:
            echo(f"    {name}: {before.metrics.get(name, '-')} -> {now.metrics.get(name, '-')}")
        if now.reason and now.reason != before.reason:
            echo(f"    {now.reason}")
    for change in found.environment:
        echo(f"  {change.name}: {_word(change.recorded)} -> {_word(change.now)}")
    if not found.environment:
        echo("  environment: as recorded")


def _word(value: object) -> str:
    return "unknown" if value is None else str(value)


def reproduction_json(found: Reproduction) -> dict[str, Any]:
    """What a reproduction found, as every command prints it."""
    return {"outcome": found.outcome} | asdict(found)
