from __future__ import annotations

from dataclasses import replace

import pytest
from evaluate.world import World, config, noisy, run, trial

from autogit.evaluate.checks import aa_test, gain, total_gain
from autogit.history import History
from autogit.records import Record, Verdict


def test_gains_add_up_with_their_intervals() -> None:
    levels = {"0": 3.0, "1": 2.9, "2": 2.8}
    world = World(config(), noisy(levels))
    for number, base in (("0", None), ("1", "c0"), ("2", "c1")):
        assert world.judge(number, base).accepted
    steps = [gain(record) for record in world.history]
    assert steps[0] is None
    assert steps[1] is not None
    total = total_gain(world.history)
    assert total is not None
    assert total.low < 0.2 < total.high
    assert total.high - total.low > steps[1].high - steps[1].low
    assert total_gain([world.history["0"]]) is None


def test_what_was_taken_back_is_no_gain() -> None:
    levels = {"0": 3.0, "1": 2.9, "2": 2.7, "3": 2.8}
    world = World(config(), noisy(levels))
    for number, base in (("0", None), ("1", "c0"), ("2", "c1")):
        world.judge(number, base)
    first, second = gain(world.history["1"]), gain(world.history["2"])
    assert first is not None and second is not None
    undo = replace(trial("3", "c2"), operator="undo", parents=("1",))
    undone = [*world.history, Record(undo, Verdict.ACCEPTED, "", {"val_loss": 2.8})]
    total = total_gain(undone)
    assert total is not None and total.value == pytest.approx(second.value)
    again = replace(trial("4", "c3"), operator="undo", parents=("3",))
    total = total_gain([*undone, Record(again, Verdict.ACCEPTED, "", {"val_loss": 2.7})])
    assert total is not None and total.value == pytest.approx(first.value + second.value)


def test_unchanged_code_against_itself() -> None:
    settings = config()
    honest = World(settings, noisy({"0": 3.0}))
    honest.judge("0")
    found = aa_test(settings, honest.history)
    assert (found.trials, found.fooled, found.low) == (1, 0, 0.0)
    assert 0 < found.high < 1
    assert aa_test(settings, History(settings.metric)).trials == 0
    assert aa_test(config('[accept]\nrule = "greedy"'), honest.history).trials == 0


def test_a_rule_that_is_fooled_shows() -> None:
    settings = config("[accept]\nconfidence = 0.9")
    history = History(settings.metric)
    for number in range(8):
        # Whichever half is better in one trial is worse in the next, by more than this confidence asks for.
        sign = 1 if number % 2 else -1
        runs = tuple(run(s, val_loss=3 + sign * (0.1 if s % 2 else -0.1) + 0.001 * s) for s in range(1, 7))
        history.add(Record(trial(str(number)), Verdict.ACCEPTED, "", {"val_loss": 3.0}, runs))
    found = aa_test(settings, history)
    assert (found.trials, found.fooled) == (8, 4)
    assert found.low < 0.5 < found.high


def test_the_interval_of_a_sum_is_as_wide_as_independent_errors_make_it() -> None:
    steps = [
        Record(
            trial(str(n), "c0"),
            Verdict.ACCEPTED,
            "",
            {},
            statistics={"gain": 1.0, "low": 1.0 - half, "high": 1.0 + half},
        )
        for n, half in enumerate((3.0, 4.0), 1)
    ]
    total = total_gain(steps)
    assert total is not None
    assert (total.value, total.low, total.high) == (2.0, pytest.approx(-3.0), pytest.approx(7.0))
    assert str(total) == "2 better on fresh seeds (95% interval -3 to 7)"


def test_a_gain_that_was_not_accepted_or_not_measured_is_none() -> None:
    found = {"gain": 1.0, "low": 0.0, "high": 2.0}
    assert gain(Record(trial("1", "c0"), Verdict.REJECTED, "", {}, statistics=found)) is None
    assert gain(Record(trial("1", "c0"), Verdict.ACCEPTED, "", {}, statistics={"gain": 1.0})) is None
