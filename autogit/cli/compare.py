"""`autogit compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autogit.cli.common import (
    color_of_line,
    echo,
    echo_json,
    echo_parts,
    echo_table,
    json_option,
    open_lab,
    paged,
    trial_argument,
    width,
)
from autogit.report.export import record_dict
from autogit.wording import number, percent

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Record

COLORS = ("green", "blue", "magenta")
ROWS = 12
"""Height of the picture of the curves, in lines."""


@click.command(epilog="Example:  autogit compare 3 17")
@trial_argument("first", "A")
@trial_argument("second", "B")
@trial_argument("third", "C", required=False)
@json_option
@click.pass_context
def compare(context: click.Context, first: str, second: str, third: str | None, as_json: bool) -> None:
    """Compare trials A and B (and C): metrics on the seeds that they share, learning curves, and the diff between them.

    Means over different seeds differ by luck, too, and are not set side by side.
    """
    from autogit.report.compare import paired

    lab = open_lab(context)
    records = [lab.trial(name) for name in (first, second, third) if name is not None]
    if as_json:
        pairs = [
            {
                "first": records[0].id,
                "second": other.id,
                "metrics": [asdict(each) for each in paired(records[0], other)],
                "diff": lab.ledger.difference(records[0].trial.commit, other.trial.commit),
            }
            for other in records[1:]
        ]
        echo_json({"trials": [record_dict(lab.history, record) for record in records], "pairs": pairs})
        return
    with paged():
        for record, color in zip(records, COLORS, strict=False):
            gain = (
                "the baseline" if record.trial.is_baseline else f"{percent(lab.improvement(record))} over the baseline"
            )
            echo(f"{record.trial.ref:<8} {record.verdict}, {gain}: {record.trial.title}", fg=color)
        for other in records[1:]:
            _pair(records[0], other)
        _curves(lab, records)
        for other in records[1:]:
            echo(f"\nfrom {records[0].trial.ref} to {other.trial.ref}:", bold=True)
            for line in lab.ledger.difference(records[0].trial.commit, other.trial.commit).rstrip("\n").split("\n"):
                echo(line or "the same files", fg=color_of_line(line))


def _pair(first: Record, second: Record) -> None:
    from autogit.report.compare import paired

    found = paired(first, second)
    echo()
    if not found:
        echo(f"{first.trial.ref} and {second.trial.ref} share no seed, and means over different seeds differ by luck")
        return
    rows = [
        {
            "metric": each.metric,
            first.trial.ref: number(each.first),
            second.trial.ref: number(each.second),
            "difference": f"{each.difference:+.4g}" + ("" if each.error is None else f" ± {each.error:.2g}"),
            "seeds": str(len(each.seeds)),
        }
        for each in found
    ]
    echo_table(rows, (first.trial.ref, second.trial.ref, "difference", "seeds"), "metric", ("seeds",))


def _curves(lab: Lab, records: list[Record]) -> None:
    from autogit.report.compare import curves_to_compare, plot

    curves = curves_to_compare([lab.curves(record.id) for record in records])
    shown = [
        (record, curve, i) for i, (record, curve) in enumerate(zip(records, curves, strict=True)) if curve is not None
    ]
    columns = max(20, min(width(), 100) - 12)
    drawn = plot([(curve.steps, curve.values) for _, curve, _ in shown], columns, ROWS)
    if drawn is None:
        return
    echo(f"\n{shown[0][1].metric} by step:", bold=True)
    for place, row in enumerate(drawn.rows):
        label = {0: f"{drawn.high:.4g}", len(drawn.rows) - 1: f"{drawn.low:.4g}"}.get(place, "")
        cells = [(char, COLORS[shown[line][2]] if line >= 0 else None) for char, line in row]
        echo_parts([(f"{label:>9} │", None), *cells])
    echo(f"{'':>9} └{'─' * columns}")
    echo(f"{'':>10} {drawn.first:<{columns - 8}}{drawn.last:>8}")
    seeds = ", ".join(f"{record.trial.ref} seed {curve.seed}" for record, curve, _ in shown)
    same = len({curve.seed for _, curve, _ in shown}) == 1
    echo(f"{'':>10} {seeds}" + ("" if same else " (different seeds: their heights differ by luck, too)"))
