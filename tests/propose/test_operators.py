from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from propose.fabricated import Bench, config
from propose.laboratory import Laboratory

from autogit.diff import applied
from autogit.propose.lineage import near_misses
from autogit.propose.operators.ablate import AblateProposer
from autogit.propose.operators.branch import BranchProposer
from autogit.propose.operators.combine import CombineProposer
from autogit.propose.operators.refine import RefineProposer
from autogit.propose.operators.revisit import RevisitProposer
from autogit.protocols import Proposer
from autogit.records import Proposal, Verdict

TRAIN = """\
learning_rate = 3e-4



activation = "gelu"



norm = "layer"



schedule = None



clip = None
"""
SPACE = "learning_rate = { low = 1e-5, high = 1e-1, log = true }\n"


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path / "lab", {"train.py": TRAIN}, SPACE)


def text(lab: Laboratory, proposal: Proposal | None) -> str:
    assert proposal is not None
    made = applied(lab.context().files, proposal.diff)
    assert made is not None
    result = made["train.py"]
    assert result is not None
    return result


def offer(proposer: Proposer, lab: Laboratory) -> Proposal:
    proposal = proposer.propose(lab.context())
    assert proposal is not None
    return proposal


def test_combine_takes_the_best_pair_of_near_misses_then_what_survived(lab: Laboratory) -> None:
    near = [
        lab.close(lab.change("train.py", old, new), loss, Verdict.REJECTED)
        for old, new, loss in (
            ('"gelu"', '"silu"', 0.98),
            ('"layer"', '"rms"', 0.97),
            ("schedule = None", "schedule = 1", 0.99),
        )
    ]
    lab.close(lab.change("train.py", "clip = None", "clip = 1"), 1.5, Verdict.REJECTED)
    pair = CombineProposer().propose(lab.context())
    assert pair == CombineProposer().propose(lab.context())
    assert pair is not None and pair.parents == (near[0].id, near[1].id)
    assert '"silu"' in text(lab, pair) and '"rms"' in text(lab, pair) and "schedule = None" in text(lab, pair)
    lab.close(pair, 0.95, Verdict.REJECTED)
    seen = {pair.parents}
    while "clip = None" in text(lab, proposal := offer(CombineProposer(), lab)):
        assert proposal.parents not in seen
        seen.add(proposal.parents)
        lab.close(proposal, 1.2, Verdict.REJECTED)
    assert len(seen) == 4  # three pairs, and the three of them once
    assert "add up" in pair.rationale and "need the other" in proposal.rationale


def test_combine_waits_with_what_lost_more_until_nothing_else_wins(lab: Laboratory) -> None:
    lab.close(lab.change("train.py", '"gelu"', '"silu"'), 1.5, Verdict.REJECTED)
    lab.close(lab.change("train.py", '"layer"', '"rms"'), None, Verdict.PRUNED)
    assert CombineProposer().propose(lab.context()) is None
    for number in range(2):
        lab.close(lab.change("train.py", "schedule = None", f"schedule = {number}"), None, Verdict.CRASHED)
    made = text(lab, offer(CombineProposer(), lab))
    assert '"silu"' in made and '"rms"' in made, "what was stopped early counts too, what crashed does not"


def test_combine_leaves_alone_what_conflicts(lab: Laboratory) -> None:
    for new in ('"silu"', '"relu"'):
        lab.close(lab.change("train.py", '"gelu"', new), 0.99, Verdict.REJECTED)
    assert CombineProposer().propose(lab.context()) is None


def test_ablate_questions_the_oldest_win_but_never_the_latest(lab: Laboratory) -> None:
    first = lab.close(lab.change("train.py", '"gelu"', '"silu"'), 0.9, Verdict.ACCEPTED)
    assert AblateProposer().propose(lab.context()) is None
    second = lab.close(lab.change("train.py", '"layer"', '"rms"'), 0.8, Verdict.ACCEPTED)
    proposal = AblateProposer().propose(lab.context())
    assert proposal is not None and proposal.parents == (first.id,)
    assert '"gelu"' in text(lab, proposal) and '"rms"' in text(lab, proposal)
    lab.close(proposal, 0.9, Verdict.REJECTED)
    assert AblateProposer().propose(lab.context()) is None
    # It rests until main has changed three times; the second win is questioned before.
    lab.close(lab.change("train.py", "clip = None", "clip = 1"), 0.7, Verdict.ACCEPTED)
    proposal = AblateProposer().propose(lab.context())
    assert proposal is not None and proposal.parents == (second.id,)


def test_an_ablation_of_a_parameter_says_what_it_sets(lab: Laboratory) -> None:
    lab.close(lab.change("train.py", "3e-4", "1e-3"), 0.9, Verdict.ACCEPTED)
    lab.close(lab.change("train.py", '"layer"', '"rms"'), 0.8, Verdict.ACCEPTED)
    proposal = AblateProposer().propose(lab.context())
    assert proposal is not None and proposal.parameters == {"learning_rate": 3e-4}


def test_revisit_waits_for_another_main_and_gives_two_chances(lab: Laboratory) -> None:
    near = lab.close(lab.change("train.py", '"gelu"', '"silu"'), 0.999, Verdict.REJECTED)
    revisits = []
    for old, new, loss in (
        ("clip = None", "clip = 1", 0.9),
        ('"layer"', '"rms"', 0.8),
        ("schedule = None", "schedule = 1", 0.7),
    ):
        assert RevisitProposer().propose(lab.context()) is None
        lab.close(lab.change("train.py", old, new), loss, Verdict.ACCEPTED)
        proposal = RevisitProposer().propose(lab.context())
        if proposal is not None:
            revisits.append(proposal.parents)
            lab.close(proposal, loss + 0.001, Verdict.REJECTED)
    assert len(revisits) == 2 and revisits[0] == (near.id,)


def test_revisit_tries_again_what_ran_out_of_memory_once_main_is_smaller(tmp_path: Path) -> None:
    lab = Laboratory(tmp_path / "lab", {"train.py": TRAIN}, SPACE)
    lab.close(lab.change("train.py", "clip = None", "clip = 1"), 0.95, Verdict.ACCEPTED, peak_memory_mb=1000.0)
    big = lab.close(lab.change("train.py", '"gelu"', '"swiglu"'), None, Verdict.CRASHED, "out of GPU memory")
    lab.close(lab.change("train.py", "schedule = None", "schedule = 1"), 0.94, Verdict.ACCEPTED, peak_memory_mb=990.0)
    assert RevisitProposer().propose(lab.context()) is None
    lab.close(lab.change("train.py", '"layer"', '"rms"'), 0.9, Verdict.ACCEPTED, peak_memory_mb=700.0)
    proposal = RevisitProposer().propose(lab.context())
    assert proposal is not None and proposal.parents == (big.id,) and '"swiglu"' in text(lab, proposal)


def test_refine_goes_on_in_the_direction_that_won(lab: Laboratory) -> None:
    assert RefineProposer().propose(lab.context()) is None
    proposal = Proposal(
        lab.ledger.main(), lab.change("train.py", "3e-4", "1.2e-3").diff, "", "hyperparameters", "learning_rate",
        parameters={"learning_rate": 1.2e-3},
    )  # fmt: skip
    won = lab.close(proposal, 0.9, Verdict.ACCEPTED)
    tried = []
    while (step := RefineProposer().propose(lab.context())) is not None:
        assert step.parents == (won.id,) and step.proposer == "refine" and step.operator == "learning_rate"
        tried.append(step.parameters["learning_rate"])
        lab.close(step, 1.0, Verdict.REJECTED)
    assert tried == [0.0048, 0.0024, 0.0006]


def test_branch_takes_up_a_dead_change_with_another_value(lab: Laboratory) -> None:
    assert BranchProposer().propose(lab.context()) is None
    dead = lab.close(lab.change("train.py", '"gelu"', '"silu"'), 1.05, Verdict.REJECTED)
    values = set()
    while (proposal := BranchProposer().propose(lab.context())) is not None:
        assert proposal.parents == (dead.id,) and '"silu"' in text(lab, proposal)
        assert proposal.parameters.keys() == {"learning_rate"}
        values.add(proposal.parameters["learning_rate"])
        lab.close(proposal, 1.1, Verdict.REJECTED)
    assert len(values) == 3 and 3e-4 not in values


def test_branch_tries_values_that_were_tried_without_the_change(tmp_path: Path) -> None:
    lab = Laboratory(tmp_path / "two", {"train.py": TRAIN}, "learning_rate = [3e-4, 1e-3]\n")
    value = Proposal(lab.ledger.main(), "", "", "hyperparameters", "learning_rate", parameters={"learning_rate": 1e-3})
    diff = lab.change("train.py", "learning_rate = 3e-4", "learning_rate = 0.001").diff
    lab.close(replace(value, diff=diff), 1.1, Verdict.REJECTED)
    lab.close(lab.change("train.py", '"gelu"', '"silu"'), None, Verdict.PRUNED)
    made = text(lab, offer(BranchProposer(), lab))
    assert "learning_rate = 1e-3" in made and '"silu"' in made


def test_luck_of_the_seeds_makes_no_near_miss() -> None:
    """Its mean is better than the incumbent's, over other seeds; on the seeds that both ran it is worse."""
    bench = Bench({"train.py": "a = 1\n"}, config(""))
    proposal = Proposal("c0", "", "", "patterns", "x")
    closed = bench.close(proposal, 0.98, Verdict.REJECTED)
    assert [r.id for r in near_misses(bench.history, 5)] == ["1"]
    bench.history.add(replace(closed, statistics={"gain": -0.03}))
    assert near_misses(bench.history, 5) == []
