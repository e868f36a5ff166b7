from __future__ import annotations

import math

import numpy as np
import pytest
from evaluate.world import run, trial
from hypothesis import given, settings
from hypothesis import strategies as st

from autogit.evaluate.checks import wilson
from autogit.evaluate.noise import Noise, inverse_trigamma, noise, normal_score, pooled, prior, student_deviate
from autogit.evaluate.race import Race, Step, pass_rate, race
from autogit.records import Record, Verdict


@pytest.mark.parametrize("pairs", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99, 0.999])
def test_luck_passes_as_often_as_the_confidence_says(confidence: float, pairs: int) -> None:
    assert pass_rate(race(confidence, pairs)) == pytest.approx(1 - confidence, rel=1e-3)


def test_the_integral_agrees_with_simulated_trials() -> None:
    bounds, count = race(0.95, 5), 200_000
    for effect in (0.0, 1.0):
        sums = np.cumsum(effect + np.random.default_rng(0).standard_normal((count, 5)), axis=1)
        z = sums / np.sqrt(np.arange(1, 6))
        going, accepted = np.ones(count, bool), 0
        for k in range(5):
            passed = going & (z[:, k] > bounds.accept[k])
            accepted += int(passed.sum())
            going &= ~passed & (z[:, k] >= bounds.drop[k])
        rate = pass_rate(bounds, effect)
        assert accepted / count == pytest.approx(rate, abs=5 * math.sqrt(rate / count))


def test_the_published_bounds_have_their_published_rates() -> None:
    bounds = Race((0.8, 1.2, 1.6, 1.9, 2.2), (math.inf, 3.2, 3.2, 3.2, 2.2))
    assert [pass_rate(bounds, effect) for effect in (0, 1, 1.5, 2)] == pytest.approx(
        [0.0063, 0.30, 0.63, 0.85], abs=0.01
    )


def test_not_a_number_is_dropped() -> None:
    assert {race(0.99, 5).step(math.nan, k) for k in range(1, 6)} == {Step.DROP}


def test_one_pair_accepts_what_stands_out_and_says_nothing_of_the_rest() -> None:
    assert race(0.99, 5).step(3.0, 1) is Step.ACCEPT
    assert race(0.99, 5).step(2.5, 1) is Step.GO_ON


@given(st.sampled_from([0.5, 0.9, 0.99]), st.integers(1, 6), st.floats(-10, 10), st.floats(0, 10), st.integers(1, 6))
@settings(deadline=None)
def test_a_larger_z_is_never_judged_worse(confidence: float, pairs: int, z: float, more: float, k: int) -> None:
    order = [Step.DROP, Step.GO_ON, Step.ACCEPT]
    bounds, k = race(confidence, pairs), min(k, pairs)
    assert order.index(bounds.step(z + more, k)) >= order.index(bounds.step(z, k))


def test_more_confidence_asks_for_more() -> None:
    last = [race(confidence, 4).drop[-1] for confidence in (0.5, 0.7, 0.9, 0.95, 0.99, 0.999)]
    assert last == sorted(last)
    assert last[0] == pytest.approx(0, abs=1e-6)


@given(st.floats(-30, 30), st.integers(1, 200))
def test_students_deviate_and_back(z: float, dof: int) -> None:
    if abs(z) < 8:  # further out the tail has fewer digits than this asks for
        assert normal_score(student_deviate(z, dof), dof) == pytest.approx(z, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("dof", "t"), [(3, 4.541), (4, 3.747), (10, 2.764), (30, 2.457)])
def test_students_table(dof: int, t: float) -> None:
    # The 99% quantiles of Student's distribution; the normal one is 2.326.
    assert normal_score(t, dof) == pytest.approx(2.326, rel=0.01)


def test_noise_is_pooled_within_groups_whatever_their_means() -> None:
    rng = np.random.default_rng(1)
    groups = [list(50 * k + 0.3 * rng.standard_normal(4)) for k in range(200)]
    found = pooled(groups)
    assert found is not None
    assert found == (pytest.approx(0.3, rel=0.05), 600)


def test_one_wild_trial_does_not_blind_the_others() -> None:
    rng = np.random.default_rng(1)
    groups = [list(0.3 * rng.standard_normal(4)) for _ in range(20)]
    found = pooled([*groups, [0.0, 100.0, -100.0, 50.0]])
    assert found is not None
    assert found[0] < 0.4


def test_noise_needs_a_repeat() -> None:
    assert pooled([[1.0], [2.0], []]) is None
    assert pooled([[1.0, 1.0], [2.0, 2.0, 2.0]]) == (0.0, 3)
    mostly_equal = pooled([[1.0, 1.0], [1.0, 1.0], [1.0, 1.1]])
    assert mostly_equal is not None
    assert mostly_equal[0] > 0


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilsons_interval_holds_the_rate(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    rate = hits / (hits + misses) if hits + misses else 0.5
    assert 0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1


def test_wilsons_interval_as_tabulated() -> None:
    assert wilson(1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-4)


def test_without_pairs_the_noise_is_that_of_two_unrelated_runs() -> None:
    runs = tuple(run(seed, val_loss=3.0 + 0.1 * (seed % 2)) for seed in range(4))
    record = Record(trial("0"), Verdict.ACCEPTED, "", {}, runs)
    found = noise([record], lambda metrics: metrics["val_loss"])
    assert found is not None
    assert not found.paired
    # Two and two values 0.1 apart: variance 0.01 / 3, and a difference of two runs has twice that.
    assert (found.sd, found.dof) == (pytest.approx(0.1 * math.sqrt(2 / 3)), 3)


def lab(*moves: list[float]) -> list[Record]:
    """A baseline with five unlike seeds, and trials that differ from it by `moves`, seed by seed."""
    seeds = [3.0 + 0.1 * seed for seed in range(5)]
    runs = tuple(run(seed, val_loss=value) for seed, value in enumerate(seeds))
    records = [Record(trial("0"), Verdict.ACCEPTED, "", {}, runs)]
    for number, move in enumerate(moves, 1):
        moved = tuple(run(seed, val_loss=seeds[seed] + change) for seed, change in enumerate(move))
        records.append(Record(trial(str(number), "c0"), Verdict.REJECTED, "", {}, moved))
    return records


def luck(records: list[Record], *own: list[float]) -> Noise:
    found = noise(records, lambda metrics: metrics["val_loss"], own)
    assert found is not None
    return found


def test_pairs_replace_it_as_soon_as_there_are_enough() -> None:
    found = luck(lab([0.4, 0.0, 0.4, 0.0, 0.2]))
    assert found.paired
    assert (found.sd, found.dof) == (pytest.approx(0.2), 4)


def test_one_trial_that_hardly_changes_anything_makes_nobody_certain() -> None:
    found = luck(lab([0.001, 0.0, 0.001, 0.0, 0.001]))
    unrelated = luck(lab())
    assert not unrelated.paired
    assert found.sd == pytest.approx(unrelated.sd / math.sqrt(6))


def test_trials_that_are_alike_are_pooled_and_unlike_ones_count_for_little() -> None:
    quiet, loud = [0.001, 0.0, -0.001], [0.1, 0.0, -0.1]
    alike = luck(lab(*[quiet] * 6))
    assert (alike.sd, alike.dof) == (pytest.approx(0.001), 12)
    mixed = luck(lab(*[quiet, loud] * 3))
    assert mixed.dof < 4
    # What the candidate's own repeats say goes before the others then; where all are alike it does not.
    assert luck(lab(*[quiet, loud] * 3), loud).sd > 0.05
    assert luck(lab(*[quiet] * 6), loud).sd < 0.05


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.integers(1, 30)), min_size=2, max_size=40), st.floats(1e-3, 1e3))
def test_the_prior_scales_with_the_metric_and_lies_among_what_was_seen(
    known: list[tuple[float, int]], scale: float
) -> None:
    variance, worth = prior(known)
    scaled, same = prior([(sd * scale, dof) for sd, dof in known])
    assert worth > 0
    assert same == pytest.approx(worth, rel=1e-5)
    assert scaled == pytest.approx(variance * scale**2, rel=1e-5)
    assert 0 < variance < 2 * max(sd for sd, _ in known) ** 2 * math.exp(2)


@given(st.floats(1e-3, 1e3))
def test_trigamma_is_inverted(value: float) -> None:
    from scipy.special import polygamma

    assert polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)
