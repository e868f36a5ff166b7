"""Trials side by side: pairs of seeds, and the picture of their curves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nights import record

from autogit.records import Curve, Record, Run, RunStatus, Verdict
from autogit.report.compare import BRAILLE, curves_to_compare, paired, plot


def ran(number: int, **values: float) -> Record:
    runs = [Run(int(seed[1:]), RunStatus.COMPLETED, 1.0, metrics={"val_loss": value}) for seed, value in values.items()]
    return replace(record(number, 1.0, Verdict.REJECTED), runs=tuple(runs))


def test_only_shared_seeds_are_compared() -> None:
    (found,) = paired(ran(1, s1=2.0, s2=3.0, s3=100.0), ran(2, s1=1.5, s2=2.7, s4=-100.0))
    assert found.seeds == (1, 2) and found.difference == pytest.approx(-0.4) and found.error == pytest.approx(0.1)
    assert paired(ran(1, s1=2.0), ran(2, s2=1.0)) == []
    crashed = replace(ran(2), runs=(Run(1, RunStatus.CRASHED, 1.0, metrics={"val_loss": 9.0}),))
    assert paired(ran(1, s1=2.0), crashed) == []


def test_curves_of_one_seed_are_drawn_if_there_is_one() -> None:
    def curve(seed: int) -> Curve:
        return Curve(seed, "loss", (1,), (1.0,))

    chosen = curves_to_compare([[curve(1), curve(2)], [curve(2), curve(3)]])
    assert [each and each.seed for each in chosen] == [2, 2]
    chosen = curves_to_compare([[curve(1)], [curve(3)], []])
    assert [each and each.seed for each in chosen] == [1, 3, None]


def test_a_line_goes_from_corner_to_corner() -> None:
    drawn = plot([((0, 10), (1.0, 0.0))], 10, 4)
    assert drawn is not None and (drawn.high, drawn.low, drawn.first, drawn.last) == (1.0, 0.0, 0, 10)
    assert ord(drawn.rows[0][0][0]) - BRAILLE & 0x01 and ord(drawn.rows[3][9][0]) - BRAILLE & 0x80
    assert drawn.rows[0][9] == (" ", -1) and plot([], 10, 4) is None


@given(
    st.lists(st.lists(st.floats(allow_nan=True), min_size=1, max_size=8), min_size=1, max_size=3),
    st.integers(1, 50), st.integers(1, 20),
)  # fmt: skip
def test_every_picture_has_its_size(lines: list[list[float]], columns: int, rows: int) -> None:
    lines = [[value if abs(value) < 1e150 else float("inf") for value in values] for values in lines]
    drawn = plot([(range(len(values)), values) for values in lines], columns, rows)
    assert drawn is None or (len(drawn.rows) == rows and {len(row) for row in drawn.rows} == {columns})
