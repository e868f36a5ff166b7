from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.evaluate.curve import early_trend, exploded, final, stability, steps_to
from autogit.records import Curve

STEPS = tuple(range(0, 500, 5))
SMOOTH = tuple(3 + 2.5 * float(np.exp(-step / 100)) for step in STEPS)


def curve(values: tuple[float, ...], steps: tuple[int, ...] = STEPS) -> Curve:
    return Curve(1, "loss", steps, values)


def rough(noise: float) -> Curve:
    rng = np.random.default_rng(0)
    return curve(tuple(value * (1 + noise * float(rng.standard_normal())) for value in SMOOTH))


def test_rougher_is_less_stable() -> None:
    found = [stability(rough(noise)) for noise in (0, 0.01, 0.05, 0.2, 1.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] is not None
    assert found[0] > 0.99
    assert found[-1] is not None
    assert found[-1] < 0.4


@given(st.floats(1e-6, 1e6))
def test_stability_has_no_unit(scale: float) -> None:
    other = curve(tuple(scale * value for value in rough(0.05).values))
    assert stability(other) == pytest.approx(stability(rough(0.05)))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_any_finite_curve_has_a_stability_between_0_and_1(values: list[float]) -> None:
    found = stability(curve(tuple(values), tuple(range(len(values)))))
    assert found is None or 0 <= found <= 1
    early_trend(curve(tuple(values), tuple(range(len(values)))))


def test_a_straight_fall_is_stable_at_uneven_steps() -> None:
    steps = (0, 1, 5, 6, 20, 40, 41)
    assert stability(curve(tuple(10 - 0.2 * step for step in steps), steps)) == pytest.approx(1)


def test_convergence_speed() -> None:
    assert steps_to(curve(SMOOTH), final(curve(SMOOTH))) == STEPS[-1]
    faster = curve(tuple(3 + 2.5 * float(np.exp(-step / 50)) for step in STEPS))
    reached = steps_to(faster, final(curve(SMOOTH)))
    assert reached is not None
    assert 200 < reached < 300
    assert steps_to(curve(SMOOTH), 1.0) is None


def test_early_trend_is_the_slope_of_the_first_fifth() -> None:
    steps = tuple(range(100))
    bent = curve(tuple(5 - 0.1 * min(step, 19) for step in steps), steps)
    assert early_trend(bent) == pytest.approx(-0.1, rel=0.01)


@given(st.lists(st.floats(0.1, 10), min_size=20, max_size=60))
def test_a_loss_within_its_early_range_has_not_exploded(values: list[float]) -> None:
    assert not exploded([*[10.0] * 10, *values])


def test_an_explosion_is_seen_at_any_level() -> None:
    for scale in (1e-3, 1, 1e6):
        fine = [scale * value for value in SMOOTH]
        assert not exploded(fine)
        assert exploded(fine + [scale * 30] * 10)
        assert not exploded(fine + [scale * 30] * 9)
        assert not exploded([*fine, *[scale * 30] * 9, scale * 5])
