"""What follows from the records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autogit.config.model import Metric
from autogit.errors import UnknownTrialError
from autogit.history import History, Pruning
from autogit.records import BASELINE, Record, Trial, Verdict


def record(number: int, value: float | None, verdict: str = "rejected", base: str = "c0", **trial: Any) -> Record:
    facts = {"title": f"Trial {number}", "proposer": "hyperparameters", "operator": "learning_rate", **trial}
    made = Trial(id=str(number), commit=f"c{number}", base=base, **facts)
    return Record(made, Verdict(verdict), "because", {} if value is None else {"val_loss": value})


def baseline(value: float, number: int = 0) -> Record:
    return record(number, value, "accepted", f"c{number}", proposer=BASELINE, operator=BASELINE)


def test_improvement_is_relative_to_the_first_baseline() -> None:
    better = record(1, 3.0, "accepted")
    history = History(Metric(), [baseline(4.0), better, baseline(2.0, 2)])
    assert history.improvement(better) == pytest.approx(25.0)
    assert history.improvement(record(3, 5.0)) == pytest.approx(-25.0)
    assert history.improvement(record(4, None, "crashed")) is None


def test_improvement_adds_up_what_was_measured_on_shared_seeds() -> None:
    """A lucky seed lifts the mean; what it shares with what it had to beat is not moved by it."""
    better = replace(record(1, 3.0, "accepted"), statistics={"gain": 0.1})
    lucky = replace(record(2, 2.0, base="c1"), statistics={"gain": -0.2})
    plain = record(3, 2.9, base="c1")
    history = History(Metric(), [baseline(4.0), better, lucky, plain])
    assert history.improvement(better) == pytest.approx(2.5)
    assert history.improvement(lucky) == pytest.approx(-2.5)
    assert history.improvement(plain) == pytest.approx(5.0)
    assert [r.id for r in history.top()] == ["3", "1", "0", "2"]


def test_the_latest_accepted_trial_of_a_commit_is_what_stands_there() -> None:
    history = History(Metric(), [baseline(4.0), record(1, 3.0, "accepted"), record(2, 3.5)])
    assert history.at("c1") is history["1"] and history.at("c2") is None
    history.add(replace(history["0"], reason="measured again"))
    again = history.at("c0")
    assert again is not None and again.reason == "measured again"


def test_higher_is_better_everywhere() -> None:
    history = History(Metric(direction="max"), [baseline(0.5), record(1, 0.4), record(2, 0.6, "accepted")])
    assert [r.id for r in history.top(2)] == ["2", "0"]
    assert history.improvement(history["2"]) == pytest.approx(20.0)
    assert history.better(0.6, 0.5) and not history.better(0.5, 0.5)


def test_top_leaves_out_what_has_no_metric() -> None:
    history = History(Metric(), [baseline(4.0), record(1, None, "crashed"), record(2, 3.0), record(3, 3.5)])
    assert [r.id for r in history.top()] == ["2", "3", "0"]


def test_trends_count_attempts_and_gain_over_the_incumbent_of_the_time() -> None:
    records = [
        baseline(4.0),
        record(1, 3.0, "accepted"),
        record(2, 3.3, base="c1"),
        record(3, None, "crashed", base="c1", operator="dropout"),
    ]
    rate, dropout = History(Metric(), records).trends()
    assert (rate.operator, rate.attempts, rate.accepted) == ("learning_rate", 2, 1)
    assert rate.improvement == pytest.approx((25.0 - 10.0) / 2)
    assert (dropout.operator, dropout.attempts, dropout.improvement) == ("dropout", 1, None)


def test_a_record_of_the_same_trial_replaces_it() -> None:
    history = History(Metric(), [baseline(4.0), record(1, 3.0)])
    history.add(record(1, 2.0, "accepted"))
    assert len(history) == 2
    assert history["1"].metrics["val_loss"] == 2.0
    assert history.best() is history["1"]


def test_since_accepted_and_unknown() -> None:
    history = History(Metric(), [baseline(4.0), record(1, 3.0, "accepted"), record(2, 5.0), record(3, 5.0)])
    assert history.since_accepted == 2
    with pytest.raises(UnknownTrialError, match="autogit log"):
        history["99"]


def test_pruning_counts_the_stops_and_what_the_audit_found() -> None:
    audited = {"audited": 1.0}
    records = [
        baseline(4.0),
        record(1, None, "pruned"),
        record(2, None, "pruned"),
        replace(record(3, 5.0), statistics=audited),
        replace(record(4, 3.0, "accepted"), statistics=audited),
        record(5, 2.9, "accepted", "c4"),
    ]
    assert History(Metric(), records).pruning() == Pruning(stopped=2, spared=2, won=1)


def test_a_snapshot_knows_the_incumbent_and_nothing_that_comes_later() -> None:
    history = History(Metric(), [baseline(4.0), record(1, 3.0, "accepted")])
    then = history.snapshot()
    history.add(record(2, 2.0, "accepted", "c1"))
    assert then.at("c1") == history["1"] and then.at("c2") is None and len(then) == 2
    assert then.baseline == history.baseline


def test_a_bundle_counts_for_each_of_its_parts() -> None:
    bundle = record(1, 2.0, "accepted", operator="rms+width")
    single = record(2, 1.9, "rejected", base="c1", operator="width")
    trends = {trend.operator: trend for trend in History(Metric(), [baseline(4.0), bundle, single]).trends()}
    assert {name: (t.attempts, t.accepted) for name, t in trends.items()} == {"rms": (1, 1), "width": (2, 1)}
    assert trends["rms"].improvement == 25.0
