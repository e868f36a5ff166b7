"""The search benchmark's lab without git and training still is one that the loop can work in."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_loop_runs_on_the_recorded_table_until_the_compute_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import search_methods
    import search_points
    import search_runs
    import search_task

    measured = search_runs.Table()
    assert len(measured.keys) == len(search_points.points())
    task = search_task.Task(measured, dict(search_points.CODE), search_points.PATTERNS, 14.0, 0)
    trace = search_methods.METHODS["autogit"](task)
    assert 14.0 <= trace.spent[-1] < 15.0 and trace.trials > 0
    assert trace.log[-1] == "the compute is used up"
    assert {*trace.picks} <= {point.key for point in search_points.code_points()}
    again = search_methods.METHODS["autogit"](task)
    assert (again.picks, again.spent) == (trace.picks, trace.spent), "the same seed, the same sequence"
