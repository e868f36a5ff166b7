"""Is it still so? `autogit reproduce` and `autogit verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from autogit.cli.face import echo_json, json_option, open_lab
from autogit.wording import number

if TYPE_CHECKING:
    from autogit.trial.reproduce import Reproduction, Verification


@click.command(epilog="Example:  autogit reproduce 17")
@click.argument("trial", metavar="N")
@click.option("--seed", "seeds", type=int, multiple=True, help="Repeat the run of this seed (again for more of them).")
@json_option
@click.pass_context
def reproduce(context: click.Context, trial: str, seeds: tuple[int, ...], as_json: bool) -> None:
    """Run trial N again from its tag and compare with its record.

    Without --seed its first run is made again. Identical: the same end and equal metrics, time and memory left aside.
    Within noise: the metric differs no more than luck makes it differ here. Different: exit status 1, and what has
    changed in the environment is named.
    """
    from autogit.trial.reproduce import Outcome

    lab = open_lab(context)
    found = lab.reproduce(trial, seeds or None)
    if as_json:
        echo_json(_json(found))
    else:
        _tell(found, lab.config.metric.name)
    if found.outcome is Outcome.DIFFERENT:
        sys.exit(1)


@click.command(epilog="Example:  autogit verify --accepted")
@click.option("--all", "all_", is_flag=True, help="Every trial that has a run to repeat.")
@click.option("--accepted", is_flag=True, help="Only what was accepted, the baselines too. This is the default.")
@json_option
@click.pass_context
def verify(context: click.Context, all_: bool, accepted: bool, as_json: bool) -> None:
    """Run the lab's trials again, measure them with fresh seeds too, and note on each what was found.

    Ends with exit status 1 where a trial came out different.
    """
    from autogit.trial.reproduce import Outcome

    if all_ and accepted:
        raise click.UsageError("--all and --accepted exclude each other; take one of them")
    lab = open_lab(context)
    metric = lab.config.metric.name
    found = []
    for verification in lab.verify(everything=all_):
        found.append(verification)
        if not as_json:
            click.echo(_line(verification, metric))
    different = sum(one.reproduction.outcome is Outcome.DIFFERENT for one in found)
    if as_json:
        echo_json([_verified(one) for one in found])
    elif not found:
        click.echo("no trials to verify yet; start with: autogit loop")
    else:
        click.echo(f"{len(found)} verified, {different} different; each trial's note says so: git notes show exp/N")
    if different:
        sys.exit(1)


def _tell(found: Reproduction, metric: str) -> None:
    click.secho(f"exp/{found.trial}  {found.outcome}", bold=True)
    for repeat in found.repeats:
        before, now = repeat.recorded, repeat.again
        ends = str(now.status) if before.status is now.status else f"{now.status}, was {before.status}"
        values = f"{metric} {number(now.metrics.get(metric))}, was {number(before.metrics.get(metric))}"
        click.echo(f"  seed {before.seed}: {repeat.outcome} ({ends}; {values})")
        for name in repeat.metrics:
            click.echo(f"    {name}: {before.metrics.get(name, '-')} -> {now.metrics.get(name, '-')}")
        if now.reason and now.reason != before.reason:
            click.echo(f"    {now.reason}")
    for change in found.environment:
        click.echo(f"  {change.name}: {_word(change.recorded)} -> {_word(change.now)}")
    if not found.environment:
        click.echo("  environment: as recorded")


def _word(value: object) -> str:
    return "unknown" if value is None else str(value)


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


def _json(found: Reproduction) -> dict[str, Any]:
    return {"outcome": found.outcome} | asdict(found)


def _verified(found: Verification) -> dict[str, Any]:
    return {"reproduction": _json(found.reproduction), "seeds": found.seeds, "value": found.value, "gain": found.gain}
