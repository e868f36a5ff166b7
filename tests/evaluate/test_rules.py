from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
from evaluate.world import World, config, noisy, run, trial
from hypothesis import given, settings
from hypothesis import strategies as st

from autogit.errors import ConfigError
from autogit.evaluate import StandardEvaluator
from autogit.evaluate.comparison import ROTATE_EVERY, accepted_until, block, proof_block, seed_at
from autogit.evaluate.rules import RULES, _installed, rule_of
from autogit.history import History
from autogit.protocols import Judgement, More
from autogit.records import Record, Run, RunStatus, Verdict

LEVELS = {"0": 3.0, "1": 3.0, "2": 2.9, "3": 3.3, "4": 2.9, "5": 2.8}


def lab(text: str = "", **levels: float) -> World:
    world = World(config(text), noisy(LEVELS | levels))
    world.judge("0")
    return world


SETTINGS = config()
PLACES = {seed_at(SETTINGS, index): index + 1 for index in range(4000)}


def seeds(record: Record) -> list[int]:
    """The seeds of a record's runs, as places in the order of all seeds: the first is 1."""
    return [PLACES[made.seed] for made in record.runs]


def at(place: int) -> int:
    """The seed at a place in that order."""
    return seed_at(SETTINGS, place - 1)


def test_the_baseline_is_measured_with_every_seed_and_accepted() -> None:
    baseline = lab("[accept]\nseeds = 4").history["0"]
    assert baseline.accepted
    assert seeds(baseline) == [1, 2, 3, 4]
    assert baseline.statistics["sigma"] > 0
    assert baseline.metrics["val_loss"] == pytest.approx(sum(r.metrics["val_loss"] for r in baseline.runs) / 4)


def test_a_better_change_is_accepted_on_paired_seeds_and_measured_on_fresh_ones() -> None:
    record = (world := lab(**{"2": 2.93})).judge("2", "c0")
    assert record.accepted
    chosen, fresh = [s for s in seeds(record) if s < 1000], [s for s in seeds(record) if s > 1000]
    assert fresh == [1001]
    assert set(fresh) <= set(seeds(world.history["0"])), "the old incumbent runs on them too"
    assert record.statistics["pairs"] == len(chosen)
    differences = [world.result("0", at(s))["val_loss"] - world.result("2", at(s))["val_loss"] for s in fresh]
    assert record.statistics["gain"] == pytest.approx(sum(differences))
    assert record.statistics["low"] < 0.07 < record.statistics["high"]
    of_fresh = [r.metrics["val_loss"] for r in record.runs if r.seed in map(at, fresh)]
    assert record.metrics["val_loss"] == pytest.approx(sum(of_fresh))
    assert "below exp/0 on 1 fresh seed" in record.reason


def test_the_next_comparison_uses_no_seed_that_chose_the_incumbent() -> None:
    world = lab()
    first = world.judge("2", "c0")
    second = world.judge("5", "c2")
    chose = {s for s in seeds(first) if s < 1000}
    assert first.accepted
    assert second.accepted
    assert not chose & set(seeds(second))
    assert {s // 1000 for s in seeds(second)} == {1, 2}


def test_a_worse_change_is_dropped_early_once_the_noise_is_known() -> None:
    world = lab()
    world.judge("1", "c0")
    record = world.judge("3", "c0")
    assert record.verdict is Verdict.REJECTED
    assert seeds(record) == [1]
    assert record.reason.startswith("val_loss 3.")
    assert "above exp/0 (z = -" in record.reason


def test_higher_is_better_says_so() -> None:
    world = World(
        config('[metric]\nname = "acc"\ndirection = "max"'), lambda n, s: {"acc": 0.1 * int(n) + 0.001 * (s % 7) ** 1.5}
    )
    world.judge("0")
    record = world.judge("1", "c0")
    assert record.accepted
    assert "above exp/0" in record.reason
    assert world.judge("0", "c1").verdict is Verdict.REJECTED


def test_without_noise_nothing_is_repeated() -> None:
    values = {"0": 3.0, "1": 2.9, "2": 2.9, "3": 2.9, "4": 3.0}
    world = World(config(), lambda number, seed: {"val_loss": values[number]})
    assert seeds(world.judge("0")) == [1, 2, 3]
    better = world.judge("1", "c0")
    assert better.accepted
    assert seeds(better) == [1]
    assert len(world.history["0"].runs) == 3
    assert world.judge("2", "c1").verdict is Verdict.REJECTED, "equal is not better"
    assert world.judge("3", "c1", lines=-1).accepted, "between equals less code wins"
    assert world.judge("4", "c3", lines=-9).verdict is Verdict.REJECTED


def test_min_delta_is_asked_for() -> None:
    assert lab("[metric]\nmin_delta = 0.03").judge("2", "c0").accepted
    assert lab("[metric]\nmin_delta = 0.15").judge("2", "c0").verdict is Verdict.REJECTED


def test_less_code_may_be_a_little_worse_where_the_margin_allows_it() -> None:
    text = "[accept]\nmargin = 8.0"
    slightly_worse = {"1": 3.03}
    assert lab(text, **slightly_worse).judge("1", "c0", lines=3).verdict is Verdict.REJECTED
    simpler = lab(text, **slightly_worse).judge("1", "c0", lines=-3)
    assert simpler.accepted
    assert "removes code" in simpler.reason
    assert lab(**slightly_worse).judge("1", "c0", lines=-3).verdict is Verdict.REJECTED


@pytest.mark.parametrize("rule", ["greedy"])
def test_greedy_needs_one_run_and_claims_no_interval(rule: str) -> None:
    world = lab(f'[accept]\nrule = "{rule}"')
    assert seeds(world.history["0"]) == [1]
    record = world.judge("2", "c0")
    assert record.accepted
    assert seeds(record) == [1]
    assert "low" not in record.statistics
    assert world.judge("1", "c2").verdict is Verdict.REJECTED


def test_one_seed_is_a_race_without_noise() -> None:
    world = lab("[accept]\nseeds = 1")
    record = world.judge("2", "c0")
    assert record.accepted
    assert "the noise is not known" in record.reason


def test_an_incumbent_that_fails_on_a_seed_is_not_compared_there() -> None:
    world = lab()
    incumbent = world.history["0"]
    runs = [run(r.seed, RunStatus.UNSTABLE) if r.seed == 1 else r for r in incumbent.runs]
    world.history.add(replace(incumbent, runs=tuple(runs)))
    record = world.judge("2", "c0")
    assert record.accepted
    assert 1 not in seeds(record)


def test_an_incumbent_that_always_fails_ends_the_race() -> None:
    world = lab()
    failing = tuple(run(at(place), RunStatus.CRASHED) for place in range(1, 500))
    world.history.add(replace(world.history["0"], runs=failing))
    record = world.judge("2", "c0")
    assert record.verdict is Verdict.REJECTED
    assert "fails with every seed" in record.reason


DEAD = [
    (RunStatus.PRUNED, Verdict.PRUNED),
    (RunStatus.UNSTABLE, Verdict.UNSTABLE),
    (RunStatus.CRASHED, Verdict.CRASHED),
    (RunStatus.TIMED_OUT, Verdict.TIMED_OUT),
    (RunStatus.REFUSED, Verdict.REJECTED),
]


@pytest.mark.parametrize(("status", "verdict"), DEAD)
@pytest.mark.parametrize("before", [0, 1])
def test_a_run_that_does_not_count_is_the_verdict(status: RunStatus, verdict: Verdict, before: int) -> None:
    world = lab()
    good = [run(seed, val_loss=0.1) for seed in range(1, 1 + before)]
    judgement = world.evaluator.decide(
        [*good, run(9, status, "why", val_loss=0.0)], world.history["0"], world.history, -9
    )
    assert isinstance(judgement, Judgement)
    assert judgement.verdict is verdict
    assert "why" in judgement.reason


def test_a_broken_guard_rejects_whatever_the_score() -> None:
    world = World(
        config("[metrics.memory]\nmax = 45"), lambda n, s: {"val_loss": 3.0 - int(n), "memory": 40.0 + 3 * int(n)}
    )
    world.judge("0")
    assert world.judge("1", "c0").accepted
    record = world.judge("2", "c1")
    assert record.verdict is Verdict.REJECTED
    assert "memory 46 is above its guard" in record.reason


def test_a_composite_decides() -> None:
    text = '[metric]\nobjective = "composite"\n[metrics.speed]\ndirection = "max"\nweight = 1.0'
    results = {"0": (3.0, 100.0), "1": (3.1, 200.0), "2": (2.99, 50.0), "3": (1.0, None)}

    def result(number: str, seed: int) -> dict[str, float]:
        loss, speed = results[number]
        return {"val_loss": loss} if speed is None else {"val_loss": loss, "speed": speed}

    world = World(config(text), result)
    world.judge("0")
    faster = world.judge("1", "c0")
    assert faster.accepted
    assert "composite 0.33" in faster.reason
    assert world.judge("2", "c1").verdict is Verdict.REJECTED
    assert "was not reported" in world.judge("3", "c1").reason
    history = History(config(text).metric)
    lacking = StandardEvaluator(config(text), history).decide([run(1, val_loss=1.0)], None, history, 0)
    assert isinstance(lacking, Judgement)
    assert lacking.verdict is Verdict.CRASHED


@given(st.floats(-3, 3), st.floats(0, 3), st.integers(1, 5), st.integers(-5, 5))
@settings(max_examples=60, deadline=None)
def test_a_better_candidate_is_never_judged_worse(gain: float, more: float, count: int, lines: int) -> None:
    order = {Verdict.REJECTED: 0, None: 1, Verdict.ACCEPTED: 2}

    def verdict(gain: float) -> Verdict | None:
        world = lab("[accept]\nmargin = 0.5")
        # The fresh seeds are there already, so that an accepted change is told from one that needs more runs.
        incumbent = world.history["0"]
        fresh = tuple(world.run("0", at(place)) for place in (1001, 1002, 1003))
        world.history.add(replace(incumbent, runs=incumbent.runs + fresh))
        runs = [
            run(seed, val_loss=world.result("1", seed)["val_loss"] - gain)
            for seed in map(at, (*range(1, count + 1), 1001, 1002, 1003))
        ]
        decision = world.evaluator.decide(runs, world.history["0"], world.history, lines)
        return decision.verdict if isinstance(decision, Judgement) else None

    assert order[verdict(gain + more)] >= order[verdict(gain)]


@given(
    st.lists(st.tuples(st.sampled_from(list(RunStatus)), st.floats() | st.none()), min_size=1, max_size=6),
    st.sampled_from(["race", "greedy", "stack"]),
    st.sampled_from(["min", "max"]),
)
@settings(max_examples=80, deadline=None)
def test_no_number_or_none_never_wins(results: list[tuple[RunStatus, float | None]], rule: str, direction: str) -> None:
    world = lab(f'[metric]\ndirection = "{direction}"\n[accept]\nrule = "{rule}"')
    runs = [Run(seed, status, 1.0, None, {} if value is None else {"val_loss": value})
            for seed, (status, value) in zip(map(at, range(1, 9)), results, strict=False)]  # fmt: skip
    decision = world.evaluator.decide(runs, world.history["0"], world.history, -1)
    usable = all(s.counts and v is not None and math.isfinite(v) for s, v in results)
    assert usable or isinstance(decision, Judgement)
    if isinstance(decision, Judgement) and decision.verdict is Verdict.ACCEPTED:
        assert usable


@given(st.integers(0, 30), st.integers(0, 30))
def test_blocks_of_seeds_never_meet(a: int, b: int) -> None:
    blocks = [set(kind(config(), n)) for kind in (block, proof_block) for n in {a, b}]
    assert sum(map(len, blocks)) == len(set.union(*blocks))


def test_the_same_question_has_the_same_answer() -> None:
    world = lab()
    first = world.evaluator.decide([], world.history["0"], world.history, 0)
    assert first == More(candidate=(1,))
    assert first == world.evaluator.decide([], world.history["0"], world.history, 0)
    assert trial("7", "c0").ref == "exp/7"


def test_the_first_candidate_teaches_the_noise_of_pairs_unless_it_is_hopeless() -> None:
    assert seeds(lab().judge("1", "c0")) == [1, 2, 3, 4, 5]
    assert seeds(lab(**{"1": 9.0}).judge("1", "c0")) == [1]


def test_a_block_belongs_to_its_incumbent_whatever_is_accepted_elsewhere() -> None:
    world = lab()
    world.judge("2", "c0")
    assert accepted_until(world.history, "0") == 0
    assert accepted_until(world.history, "2") == 1
    assert min(seeds(world.judge("5", "c0"))) < 1000


def test_a_rule_that_there_is_not_is_an_error_that_names_those_that_there_are() -> None:
    settings = config('[accept]\nrule = "rase"')
    with pytest.raises(ConfigError, match=r'accept.rule = "rase".*"greedy", "race", "stack".*did you mean "race"'):
        StandardEvaluator(settings, History(settings.metric))


def test_another_package_adds_a_rule_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lenient.py").write_text(
        "from autogit.evaluate.rules import GreedyRule\n\n\nclass Lenient(GreedyRule):\n    baseline_seeds = 2\n"
    )
    (tmp_path / "lenient-1.dist-info").mkdir()
    (tmp_path / "lenient-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lenient\nVersion: 1\n")
    (tmp_path / "lenient-1.dist-info" / "entry_points.txt").write_text("[autogit.rules]\nlenient = lenient:Lenient\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _installed.cache_clear()
    try:
        assert seeds(lab('[accept]\nrule = "lenient"').history["0"]) == [1, 2]
    finally:
        _installed.cache_clear()


def test_every_rule_judges_in_the_unit_that_pruning_and_the_aa_test_ask_for() -> None:
    found = {name: rule_of(config(f'[accept]\nrule = "{name}"\nseeds = 4')) for name in RULES}
    assert {name: rule.baseline_seeds for name, rule in found.items()} == {"race": 4, "greedy": 1, "stack": 1}
    assert {name: rule.lead for name, rule in found.items()} == {"race": 0.3, "greedy": 0.0, "stack": -1.0}
    assert [name for name, rule in found.items() if rule.controls_errors] == ["race", "stack"]


def test_neighbouring_seeds_are_far_apart() -> None:
    chosen = sorted(block(config(), 0) + block(config(), 1) + proof_block(config(), 0))
    assert min(b - a for a, b in itertools.pairwise(chosen)) >= 1000
    assert max(seed_at(SETTINGS, index) for index in range(0, 10**6, 997)) < 2**31


def test_after_many_candidates_the_incumbent_gets_new_seeds_and_a_candidate_keeps_its_own() -> None:
    world = lab(**{str(number): 9.0 for number in range(1, ROTATE_EVERY + 2)}, **{"99": 2.9})
    for number in range(1, ROTATE_EVERY + 1):
        assert 1 in seeds(world.judge(str(number), "c0"))
    before = world.evaluator.decide([world.run("99", at(1))], world.history["0"], world.history, 0)
    assert isinstance(before, Judgement) or before.candidate[0] == at(2), "it began with the former ones"
    record = world.judge(str(ROTATE_EVERY + 1), "c0")
    assert 1 not in seeds(record)
    assert set(seeds(record)) <= set(range(16, 31))


def test_less_than_min_delta_is_not_called_noise() -> None:
    world = World(config("[metric]\nmin_delta = 0.5"), noisy({"0": 3.0, "1": 2.9, "2": 2.8}, own=0.0001))
    world.judge("0")
    record = world.judge("1", "c0")
    assert record.verdict is Verdict.REJECTED
    assert "less than the 0.5 that metric.min_delta asks for" in record.reason
    assert "within the noise" not in record.reason


def test_a_gain_within_the_noise_is_called_so() -> None:
    world = World(config(), noisy({"0": 3.0, "1": 2.99}))
    world.judge("0")
    assert ", within the noise" in world.judge("1", "c0").reason


def test_a_baseline_without_noise_is_not_judged_by_the_noise_of_another() -> None:
    # A noisy past, then a person's commit after which every run measures the same.
    world = lab()
    world.judge("1", "c0")
    levels = {"6": 1.0, "7": 0.9, "8": 1.0}
    world.result = lambda number, seed: {"val_loss": levels[number]}
    assert len(world.judge("6").runs) == 3
    better = world.judge("7", "c6")
    assert better.accepted
    assert len(better.runs) == 1
    assert "equal code gives equal results" in better.reason


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e90])
def test_the_unit_of_the_metric_plays_no_part(scale: float) -> None:
    def scaled(number: str, seed: int) -> dict[str, float]:
        return {"val_loss": scale * noisy(LEVELS)(number, seed)["val_loss"]}

    plain, other = lab(), World(config(), scaled)
    other.judge("0")
    for number in ("1", "2", "3"):
        one, two = plain.judge(number, "c0"), other.judge(number, "c0")
        assert (one.verdict, seeds(one)) == (two.verdict, seeds(two))
        assert one.statistics["z"] == pytest.approx(two.statistics["z"], rel=1e-6)


def test_where_the_terms_changed_the_code_is_measured_anew_and_nothing_reaches_across() -> None:
    def under(record: Record, terms: str) -> Record:
        return replace(record, environment={"terms": terms})

    old = lab()
    old.judge("2", "c0")
    settings = config()
    history = History(settings.metric, (under(record, "old") for record in old.history), terms="new")
    assert history.at("c2") is None
    assert history.baseline is None
    assert history.improvement(history["2"]) is None
    assert history.effects() == {}
    assert history.top() == []
    evaluator = StandardEvaluator(settings, history)
    runs = [run(at(place), val_loss=5.0 + place) for place in (2001, 2002, 2003, 2004, 2005)]
    decision = evaluator.decide(runs, None, history, 0)
    while not isinstance(decision, Judgement):
        runs += [run(seed, val_loss=5.0 + seed % 7) for seed in decision.candidate]
        decision = evaluator.decide(runs, None, history, 0)
    assert "do not compare" in decision.reason
    history.add(under(Record(trial("9", None), Verdict.ACCEPTED, "", {"val_loss": 5.0}, tuple(runs)), "new"))
    assert history.baseline == history["9"]
    assert history.compared() == [history["9"]]


def test_other_data_is_another_lab() -> None:
    history = History(config().metric, (replace(r, environment={"data": "a"}) for r in lab().history))
    assert history.at("c0") is not None
    history.compare_on("b")
    assert history.at("c0") is None
    history.compare_on("a")
    assert history.at("c0") is not None
