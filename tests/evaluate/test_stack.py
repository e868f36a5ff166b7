"""The `stack` rule as a rule: what is kept, when a line races, what is proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from evaluate.world import World, config, noisy

from autogit.evaluate.stack import KEEP_Z
from autogit.protocols import Judgement
from autogit.records import Record, Verdict

STACK = '[accept]\nrule = "stack"'


def race(world: World, ending: bool = True) -> tuple[Record, Judgement] | None:
    """Makes the runs that a proof of the present line asks for, and notes what came of it, as the loop does."""
    while True:
        line = [record for record in world.history if record.kept]
        due = world.evaluator.prove(line, world.history, ending) if line else None
        if due is None:
            return None
        tip, decision = due
        against = world.history.at(line[0].trial.base)
        assert against is not None
        if isinstance(decision, Judgement):
            proved = decision.verdict is Verdict.ACCEPTED
            facts = {"proof": proved, "against": against.id, **decision.statistics}
            for record in line:
                checks = (*record.checks, facts) if record.id == tip.id else record.checks
                verdict = Verdict.ACCEPTED if proved else Verdict.UNPROVED
                world.history.add(replace(record, verdict=verdict, checks=checks))
            return world.history[tip.id], decision
        assert decision.candidate or decision.incumbent
        for record, seeds in ((tip, decision.candidate), (against, decision.incumbent)):
            more = tuple(world.run(record.id, seed) for seed in seeds)
            world.history.add(replace(world.history[record.id], runs=world.history[record.id].runs + more))


def test_one_run_measures_the_baseline_and_one_more_decides() -> None:
    world = World(config(STACK), noisy({"0": 3.0, "1": 2.8, "2": 2.79}, own=0.001))
    assert len(world.judge("0").runs) == 1
    kept = world.judge("1", "c0")
    assert kept.kept and len(kept.runs) == 1 and kept.statistics["z"] > KEEP_Z
    # Two hundredths of a guessed noise of four: not enough.
    assert world.judge("2", "c1").verdict is Verdict.REJECTED


def test_a_line_that_is_better_is_proved_with_an_interval_that_holds() -> None:
    world = World(config(STACK), noisy({"0": 3.0, "1": 2.9, "2": 2.7}))
    for number, base in (("0", None), ("1", "c0"), ("2", "c1")):
        world.judge(number, base)
    found = race(world)
    assert found is not None
    tip, judgement = found
    assert tip.id == "2" and judgement.verdict is Verdict.ACCEPTED
    assert judgement.statistics["low"] < 0.3 < judgement.statistics["high"] and judgement.statistics["low"] > 0
    assert world.history["1"].accepted and world.history["1"].proof is None
    searched = {run.seed for run in (*world.history["0"].runs[:1], *world.history["2"].runs[:1])}
    raced = {run.seed for run in world.history["2"].runs[1:]}
    assert not searched & raced, "seeds that chose nothing"


def test_the_next_candidates_meet_a_seed_on_which_main_has_run_already() -> None:
    world = World(config(STACK), noisy({"0": 3.0, "1": 2.7, "2": 2.3}))
    world.judge("0")
    world.judge("1", "c0")
    found = race(world)
    assert found is not None
    runs = len(world.history["1"].runs)
    after = world.judge("2", "c1")
    assert after.runs[0].seed == found[0].runs[1].seed and len(world.history["1"].runs) == runs


def test_a_lucky_line_is_not_proved_and_the_seed_changes() -> None:
    fooled = 0
    for lab in range(40):
        rng = np.random.default_rng([9, lab])
        spread: dict[tuple[str, int], float] = {}

        def result(
            number: str, seed: int, rng: np.random.Generator = rng, seen: dict[tuple[str, int], float] = spread
        ) -> dict[str, float]:
            return {"val_loss": 3.0 + seen.setdefault((number, seed), 0.05 * float(rng.standard_normal()))}

        world = World(config(STACK), result)
        world.judge("0")
        record = next((r for n in range(1, 40) if (r := world.judge(str(n), "c0")).kept), None)
        if record is None:
            continue
        first = record.runs[0].seed
        found = race(world)
        assert found is not None
        fooled += found[1].verdict is Verdict.ACCEPTED
        if found[1].verdict is not Verdict.ACCEPTED:
            assert world.judge("50", "c0").runs[0].seed != first
    # One in a hundred is promised of each; six of forty would be a broken rule (p < 0.00001).
    assert fooled < 4


def test_no_noise_needs_no_proof_but_one_pair() -> None:
    world = World(config(STACK), noisy({"0": 3.0, "1": 2.9, "2": 2.8}, spread=0.0, own=0.0))
    world.judge("0")
    world.judge("1", "c0")
    first = race(world)
    assert first is not None and first[1].verdict is Verdict.ACCEPTED
    runs = sum(len(record.runs) for record in world.history)
    world.judge("2", "c1")
    second = race(world, ending=False)
    assert second is not None and second[1].verdict is Verdict.ACCEPTED
    assert sum(len(record.runs) for record in world.history) == runs + 1, "one run decides, and main follows at once"


def test_proofs_cost_no_more_than_their_share() -> None:
    world = World(config(f"{STACK}\nproof = 0.3"), noisy({str(n): 3.0 - 0.5 * min(n, 1) for n in range(30)}))
    world.judge("0")
    world.judge("1", "c0")
    due = []
    for number in range(2, 12):
        due.append(race(world, ending=False) is not None)
        world.judge(str(number), "c1")
    assert not due[0], "two runs do not pay for a proof of four"
    assert any(due)
