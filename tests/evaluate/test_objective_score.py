from __future__ import annotations

import math

import pytest
from evaluate.world import config
from hypothesis import given
from hypothesis import strategies as st

from autogit.evaluate.objective import LIMIT, broken_guard, composite, log_ratio, objective

COMPOSITE = """
[metric]
objective = "composite"
[metrics.val_loss]
weight = 3.0
[metrics.throughput_tokens_per_sec]
direction = "max"
weight = 1.0
[metrics.peak_memory_mb]
max = 45000
"""
BASELINE = {"val_loss": 3.0, "throughput_tokens_per_sec": 50_000.0}
FINITE = st.floats(-1e100, 1e100)


def score(**metrics: float) -> float | None:
    return objective(config(COMPOSITE), BASELINE).score(metrics)


def test_weights_count_and_units_do_not() -> None:
    assert score(**BASELINE) == 0
    assert score(val_loss=1.5, throughput_tokens_per_sec=50_000) == pytest.approx(3 / 4 * math.log(2))
    assert score(val_loss=3.0, throughput_tokens_per_sec=100_000) == pytest.approx(1 / 4 * math.log(2))
    assert score(val_loss=3.0, throughput_tokens_per_sec=25_000) == pytest.approx(-1 / 4 * math.log(2))
    in_other_units = composite({"a": 1500.0, "b": 0.05}, {"a": 3000.0, "b": 0.1}, {"a": -3.0, "b": -1.0})
    assert in_other_units == pytest.approx(math.log(2))


def test_the_primary_metric_weighs_one_unless_listed() -> None:
    settings = config('[metric]\nobjective = "composite"\n[metrics.f1]\ndirection = "max"\nweight = 1')
    reference = {"val_loss": 2.0, "f1": 0.5}
    assert objective(settings, reference).score({"val_loss": 1.0, "f1": 0.5}) == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("missing", list(BASELINE))
def test_a_missing_metric_has_no_score(missing: str) -> None:
    assert score(**{name: value for name, value in BASELINE.items() if name != missing}) is None
    reference = {name: value for name, value in BASELINE.items() if name != missing}
    assert objective(config(COMPOSITE), reference).score(BASELINE) is None


@pytest.mark.parametrize(
    ("value", "reference", "ratio"),
    [(0, 0, 0), (0, 2, -LIMIT), (-1, 2, -LIMIT), (1, 0, LIMIT), (-1, 0, -LIMIT), (3, -2, LIMIT), (0, -2, LIMIT),
     (-4, -2, -math.log(2)), (-1, -2, math.log(2)), (1e-9, 1, -LIMIT), (1e9, 1, LIMIT), (1e-200, 1e-200, 0)],
)  # fmt: skip
def test_zero_and_negative_values_have_a_place(value: float, reference: float, ratio: float) -> None:
    assert log_ratio(value, reference) == pytest.approx(ratio)


@given(FINITE, FINITE, FINITE)
def test_a_ratio_rises_with_the_value(a: float, b: float, reference: float) -> None:
    low, high = sorted((a, b))
    assert -LIMIT <= log_ratio(low, reference) <= log_ratio(high, reference) <= LIMIT


@pytest.mark.parametrize("direction", ["min", "max"])
@given(a=FINITE, b=FINITE)
def test_a_better_value_has_a_larger_score(direction: str, a: float, b: float) -> None:
    compared = objective(config(f'[metric]\ndirection = "{direction}"'), {})
    scores = [compared.score({"val_loss": value}) for value in (a, b)]
    assert scores[0] is not None
    assert scores[1] is not None
    better = a < b if direction == "min" else a > b
    assert (scores[0] > scores[1]) == better
    assert compared.shown(scores[0]) == a


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_score(value: float) -> None:
    assert objective(config(), {}).score({"val_loss": value}) is None


@pytest.mark.parametrize(
    ("metrics", "word"),
    [
        ({"memory": 44.0, "acc": 0.95}, ""),
        ({"memory": 46.0, "acc": 0.95}, "memory 46 is above"),
        ({"memory": 44.0, "acc": 0.85}, "acc 0.85 is below"),
        ({"memory": 44.0}, "acc is guarded and was not reported"),
        ({"memory": math.nan, "acc": 0.95}, "memory nan is above"),
    ],
)
def test_guards(metrics: dict[str, float], word: str) -> None:
    settings = config("[metrics.memory]\nmax = 45\n[metrics.acc]\nmin = 0.9")
    found = broken_guard(settings, metrics)
    assert found.startswith(word)
    assert bool(found) == bool(word)
