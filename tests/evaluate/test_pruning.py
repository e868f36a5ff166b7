from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autogit.evaluate.pruning import Calibration, Course, Pruner, gap, seed_noise
from autogit.protocols import Halt
from autogit.records import Curve, RunStatus

STEPS = tuple(range(10, 1001, 10))


def course(final: float = 2.0, wave: float = 0.0, steps: tuple[int, ...] = STEPS, total: int = 1000) -> Course:
    """A smooth curve that falls towards `final`; `wave` moves it as one seed's batches would."""
    values = tuple(
        final + 3 * math.exp(-5 * step / total) + wave * math.sin(40 * step / total + 100 * wave) for step in steps
    )
    return Course(Curve(1, "loss", steps, values), total)


def first_halt(pruner: Pruner, candidate: Course) -> tuple[int, Halt] | None:
    for step, value in zip(candidate.curve.steps, candidate.curve.values, strict=True):
        if halt := pruner.check(step, value):
            return step, halt
    return None


def steady(sigma: float | None) -> Callable[[float], float | None]:
    return lambda share: sigma


def test_a_clearly_worse_run_is_stopped_at_the_second_check_after_a_fifth() -> None:
    found = first_halt(Pruner(course(), 1000, steady(0.02)), course(2.3))
    assert found is not None
    step, halt = found
    assert step == 210
    assert halt.status is RunStatus.PRUNED
    assert halt.reason.endswith("is 0.3 behind the incumbent's with the same seed")


@given(ahead=st.floats(0.0, 0.5), wave=st.floats(0.0, 0.2))
@settings(max_examples=40, deadline=None)
def test_a_run_that_is_never_behind_is_never_stopped(ahead: float, wave: float) -> None:
    """Also with much noise, as long as the seed shares it."""
    assert first_halt(Pruner(course(2.0, wave), 1000, steady(0.0)), course(2.0 - ahead, wave)) is None


@pytest.mark.parametrize(
    ("behind", "stopped_at"), [(0.15, 210), (0.05, 290), (0.001, 390), (-0.01, 410), (-0.014, None)]
)
def test_the_gap_is_measured_in_noise_until_a_run_has_to_lead(behind: float, stopped_at: int | None) -> None:
    found = first_halt(Pruner(course(), 1000, steady(0.03)), course(2.0 + behind))
    assert (found and found[0]) == stopped_at


def test_a_slow_start_that_is_made_up_for_is_no_loss() -> None:
    """Far behind at first, but by less each time the steps double: at that pace it is ahead at the end."""

    def closing(final_gap: float) -> Course:
        values = [
            value - math.log(step / 1000) + final_gap for step, value in zip(STEPS, course().curve.values, strict=True)
        ]
        return Course(Curve(1, "loss", STEPS, tuple(values)), 1000)

    assert first_halt(Pruner(course(), 1000, steady(0.02)), closing(-0.05)) is None
    stopped = first_halt(Pruner(course(), 1000, steady(0.02)), closing(0.05))
    assert stopped is not None and stopped[0] == 210


def test_a_spike_stops_nothing() -> None:
    pruner = Pruner(course(), 1000, steady(0.02))
    for step, value in zip(STEPS, course().curve.values, strict=True):
        assert pruner.check(step, value + (0.1 if step in (400, 700) else -0.02)) is None


def test_warm_up_and_a_changed_schedule_are_waited_for() -> None:
    worse = course(2.5)
    assert first_halt(Pruner(course(), 1000, steady(0.02), warmup_end=300), worse)[0] == 310  # type: ignore[index]
    assert first_halt(Pruner(course(), 1000, steady(0.02), schedule_changed=True), worse)[0] == 510  # type: ignore[index]


def test_runs_of_different_length_are_compared_at_equal_share() -> None:
    shorter = course(1.99, steps=tuple(range(5, 501, 5)), total=500)
    assert first_halt(Pruner(course(), 500, steady(0.001)), shorter) is None


def test_an_equal_curve_tells_nothing() -> None:
    assert first_halt(Pruner(course(), 1000, steady(0.03)), course()) is None


def test_where_one_run_decides_to_be_level_is_not_to_be_behind() -> None:
    level = course(1.9999)
    assert first_halt(Pruner(course(), 1000, steady(0.03)), level) is not None
    assert first_halt(Pruner(course(), 1000, steady(0.03), lead=0.0), level) is None


def test_a_spared_run_goes_on_and_tells_what_would_have_happened() -> None:
    pruner = Pruner(course(), 1000, steady(0.02), spared=True)
    assert first_halt(pruner, course(2.3)) is None
    assert pruner.halt is not None and "step 210" in pruner.halt.reason


def test_without_a_yardstick_nothing_is_stopped() -> None:
    assert first_halt(Pruner(course(), 1000, steady(None)), course(9.0)) is None


def test_a_reference_that_ends_early_cannot_judge_what_comes_after() -> None:
    short = course(steps=tuple(range(10, 151, 10)))
    assert first_halt(Pruner(short, 1000, steady(0.02)), course(9.0)) is None


def test_steps_that_go_back_and_values_that_are_no_numbers_are_not_looked_at() -> None:
    pruner = Pruner(course(), 1000, steady(0.02))
    for step, value in ((500, 9.0), (400, 9.0), (510, math.nan), (510, math.inf), (300, 9.0)):
        assert pruner.check(step, value) is None


def test_being_surer_stops_later() -> None:
    worse = course(2.06)
    at = [first_halt(Pruner(course(), 1000, steady(0.03), confidence=c), worse) for c in (0.9, 0.95, 0.9999)]
    assert at[0] is not None and at[1] is not None
    assert at[0][0] <= at[1][0]
    assert at[2] is None or at[2][0] > at[1][0]


def test_noise_is_pooled_over_commits() -> None:
    groups = [[course(2.0), course(2.2)], [course(3.0), course(3.2)], [course(9.0)]]
    assert seed_noise(groups, 0.5) == pytest.approx(math.sqrt(0.02))
    assert seed_noise([[course()], []], 0.5) is None


def test_too_few_trials_calibrate_nothing() -> None:
    pair = (course(2.1), course(2.0))
    assert Calibration((pair,) * 18).least_final_gap(1.0, 0.5, 0.95) is None
    assert Calibration((pair,) * 19).least_final_gap(1.0, 0.5, 0.95) == pytest.approx(1.0)


@given(seed=st.integers(0, 2**32 - 1), confidence=st.sampled_from([0.8, 0.9]))
@settings(max_examples=5, deadline=None)
def test_the_calibrated_bound_holds_as_often_as_it_says(seed: int, confidence: float) -> None:
    """Exchangeable gaps: over many draws the final gap is above the bound in about `confidence` of them."""
    rng = np.random.default_rng(seed)

    def pair() -> tuple[Course, Course]:
        return course(2.0 + rng.normal(0, 0.1), rng.uniform(0, 0.3)), course(2.0, rng.uniform(0, 0.3))

    held = []
    for _ in range(60):
        calibration, (candidate, reference) = Calibration(tuple(pair() for _ in range(20))), pair()
        now, end = gap(candidate, reference, 0.4), gap(candidate, reference, 1.0)
        assert now is not None and end is not None
        bound = calibration.least_final_gap(now, 0.4, confidence)
        assert bound is not None
        held.append(end >= bound)
    # Four standard deviations of a binomial share below what is promised.
    assert np.mean(held) >= confidence - 4 * math.sqrt(confidence * (1 - confidence) / len(held))
