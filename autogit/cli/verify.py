"""`autogit verify`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.common import consent, echo, echo_json, json_option, open_lab
from autogit.cli.reproduce import reproduction_json
from autogit.wording import number

if TYPE_CHECKING:
    from autogit.trial.reproduce import Verification


@click.command(epilog="Example:  autogit verify --accepted")
@click.option("--all", "all_", is_flag=True, help="Every trial that has a run to repeat.")
@click.option("--accepted", is_flag=True, help="Only what was accepted, the baselines too. This is the default.")
@click.option("--yes", is_flag=True, help="Run the commands of another clone's configuration without asking.")
@json_option
@click.pass_context
def verify(context: click.Context, all_: bool, accepted: bool, yes: bool, as_json: bool) -> None:
    """Run the lab's trials again, measure them with fresh seeds too, and note on each what was found.

    Ends with exit status 1 where a trial came out different.
    """
    from autogit.trial.reproduce import Outcome

    if all_ and accepted:
        raise click.UsageError("--all and --accepted exclude each other; take one of them")
    lab = open_lab(context)
    metric = lab.config.metric.name
    found = []
    for verification in lab.verify(everything=all_, consent=consent(yes)):
        found.append(verification)
        if not as_json:
            echo(_line(verification, metric))
    different = sum(one.reproduction.outcome is Outcome.DIFFERENT for one in found)
    if as_json:
        echo_json([_verified(one) for one in found])
    elif not found:
        echo("no trials to verify yet; start with: autogit loop")
    else:
        echo(f"{len(found)} verified, {different} different; each trial's note says so: git notes show exp/N")
    if different:
        sys.exit(1)


def _line(found: Verification, metric: str) -> str:
    again = found.reproduction
    line = f"exp/{again.trial:<6} {again.outcome:<12} {metric} on {len(found.seeds)} fresh seeds {number(found.value)}"
    if found.gain is not None:
        line += f", {number(found.gain)} better than its base" if found.gain >= 0 else (
            f", {number(-found.gain)} worse than its base"
        )  # fmt: skip
    if again.environment:
        line += f"; changed: {', '.join(change.name for change in again.environment)}"
    return line


def _verified(found: Verification) -> dict[str, Any]:
    return {
        "reproduction": reproduction_json(found.reproduction),
        "seeds": found.seeds,
        "value": found.value,
        "gain": found.gain,
    }
