from __future__ import annotations

import pytest
from propose.fabricated import Bench, config

from autogit.propose.search.failures import failed_moves, failed_regions, out_of_memory
from autogit.propose.search.hyperparameters import HyperparameterProposer
from autogit.propose.search.setting import Search
from autogit.records import Proposal, Value, Verdict

TRAIN = "learning_rate = 1e-3\nbatch_size = 32\nmixer = 'a'\n"
SPACE = """
learning_rate = { low = 1e-5, high = 1.0, log = true }
batch_size = [8, 16, 32, 64, 128, 256]
mixer = ["a", "b"]
"""


def lab() -> Bench:
    return Bench({"train.py": TRAIN}, config(SPACE))


def tried(bench: Bench, verdict: Verdict, loss: float | None = None, reason: str = "", **values: Value) -> None:
    bench.close(
        Proposal(bench.base, "", "", "hyperparameters", "+".join(values), parameters=values),
        loss,
        verdict,
        reason=reason,
    )


def regions(bench: Bench) -> list[str]:
    search = Search.of(bench.context())
    return [str(region) for region in failed_regions(search.samples, len(bench.history))]


@pytest.mark.parametrize("reason", ["out of GPU memory", "CUDA out of memory. Tried", "MemoryError", "std::bad_alloc"])
def test_reasons_that_mean_memory(reason: str) -> None:
    assert out_of_memory(reason)
    assert not out_of_memory("loss is nan at step 5")


def test_one_trial_out_of_memory_closes_what_is_beyond_it() -> None:
    bench = lab()
    tried(bench, Verdict.CRASHED, reason="out of GPU memory", batch_size=128)
    assert regions(bench) == ["batch_size >= 128 is left alone: out of memory (exp/1)"]
    tried(bench, Verdict.CRASHED, reason="out of GPU memory", batch_size=256)
    assert regions(bench) == ["batch_size >= 128 is left alone: out of memory (exp/1, exp/2)"]
    tried(bench, Verdict.REJECTED, 1.1, batch_size=256, mixer="b")
    assert regions(bench) == []


def test_other_failures_count_when_they_are_repeated_and_are_forgotten() -> None:
    bench = lab()
    tried(bench, Verdict.UNSTABLE, learning_rate=0.5)
    assert regions(bench) == []
    tried(bench, Verdict.UNSTABLE, learning_rate=0.1)
    assert (
        regions(bench) == ["learning_rate >= 0.1 is left alone: unstable (exp/1, exp/2)"] or "0.5" in regions(bench)[0]
    )
    for _ in range(60):
        tried(bench, Verdict.REJECTED, 1.1, batch_size=16)
    assert regions(bench) == []


def test_nothing_is_proposed_in_a_closed_region_and_it_is_said() -> None:
    bench = lab()
    tried(bench, Verdict.CRASHED, reason="out of GPU memory", batch_size=64)
    proposer = HyperparameterProposer()
    for _ in range(30):
        proposal = proposer.propose(bench.context())
        assert proposal is not None and proposal.parameters.get("batch_size", 0) < 64
        bench.close(proposal, 1.1, Verdict.REJECTED)
    assert proposer.notices.take() == ("batch_size >= 64 is left alone: out of memory (exp/1)",)


def test_a_kind_of_move_that_only_fails_is_left_alone_until_main_changes() -> None:
    bench = lab()
    for step, reason in enumerate(("KeyError: 'x' (a.py:12)", "ValueError: 3", "TypeError: no")):
        assert not failed_moves(bench.history), step
        bench.close(Proposal(bench.base, "", "", "patterns", "rope"), None, Verdict.CRASHED, reason=reason)
    ((kind, sentence),) = failed_moves(bench.history).items()
    assert kind == ("patterns", "rope") and "3 times in a row (exp/1, exp/2, exp/3)" in sentence
    bench.close(Proposal(bench.base, "", "", "patterns", "silu"), 0.9, Verdict.ACCEPTED)
    assert not failed_moves(bench.history)


def test_two_failures_of_the_same_class_are_enough() -> None:
    bench = lab()
    for line in (12, 48):
        bench.close(
            Proposal(bench.base, "", "", "patterns", "rope"), None, Verdict.CRASHED, reason=f"KeyError (a.py:{line})"
        )
    assert failed_moves(bench.history).keys() == {("patterns", "rope")}
