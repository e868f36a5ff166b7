"""Several changes in one proposal, and what becomes of each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from propose.fabricated import Bench, config
from propose.laboratory import Laboratory

from autogit.diff import applied
from autogit.propose import build_portfolio
from autogit.propose.operators.ablate import ablated_part
from autogit.propose.operators.bundle import BundleProposer, parts
from autogit.propose.patterns import catalogue
from autogit.records import Proposal, Verdict

WORKSPACE = Path(__file__).parents[2] / "workspace"
SPACE = "learning_rate = [1e-3, 2e-3, 4e-3]\nbatch_size = [4, 8, 16]\nbeta2 = [0.95, 0.999]\n"
CODE = {path: (WORKSPACE / path).read_text() for path in ("train.py", "model.py")}


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path / "lab", CODE, SPACE)


def test_a_bundle_makes_at_least_two_changes_and_names_them_all(lab: Laboratory) -> None:
    kinds = set()
    for number in range(12):
        lab.seed = number
        proposal = BundleProposer().propose(lab.context())
        assert proposal == BundleProposer().propose(lab.context()), "the same again"
        assert proposal is not None
        made = applied(lab.context().files, proposal.diff)
        assert made
        for text in made.values():
            ast.parse(text or "")
        names = proposal.operator.split("+")
        patterns = {pattern.name for pattern in catalogue()} & {*names}
        assert len(names) >= 2 and len(patterns) <= 3
        assert proposal.parameters.keys() >= {*names} - patterns
        kinds.add(bool(patterns))
    assert kinds == {True}, "values alone are left to the search, which finds more by single steps in a small space"


def test_a_bundle_of_values_alone_is_for_large_spaces() -> None:
    def made(parameters: int) -> list[Proposal | None]:
        code = "".join(f"p{i} = 0.1\n" for i in range(parameters))
        space = "\n".join(f"p{i} = {{ low = 0.0, high = 1.0 }}" for i in range(parameters))
        return [BundleProposer().propose(Bench({"train.py": code}, config(space), seed).context()) for seed in range(4)]

    assert not any(made(4))
    assert all(proposal is not None and len(proposal.parameters) >= 2 for proposal in made(12))


def test_each_part_can_be_taken_back_and_the_others_stay(lab: Laboratory) -> None:
    proposal = next(p for p in _bundles(lab) if len(set(parts_of(p)) - {*p.parameters}) > 1 and p.parameters)
    record = lab.close(proposal, 0.9, Verdict.ACCEPTED)
    accepted = lab.context().files
    for part in parts(record):
        back = ablated_part(lab.context(), record, part)
        assert back is not None and back.parents == (record.id,)
        made = applied(accepted, back.diff)
        assert made and {**accepted, **made} not in (CODE, accepted), "a part goes, not the whole"
        if part in proposal.parameters:
            assert back.parameters.keys() == {part}
        else:
            assert not back.parameters, "a pattern is taken back, no value"


def test_what_is_no_bundle_has_no_parts(lab: Laboratory) -> None:
    record = lab.close(lab.change("train.py", "learning_rate = 1e-3", "learning_rate = 2e-3"), 0.9, Verdict.ACCEPTED)
    assert parts(record) == ()


def test_a_lab_opens_with_bundles_until_they_fail_or_three_changes_won(lab: Laboratory) -> None:
    proposers = [_next(lab, Verdict.REJECTED) for _ in range(24)]
    opening = max(i for i, name in enumerate(proposers[:16]) if name == "bundle") + 1
    assert proposers[:opening].count("bundle") >= 6
    assert proposers[:2].count("bundle") >= 1


def _next(lab: Laboratory, verdict: Verdict) -> str:
    proposal = build_portfolio(lab.file.config).propose(lab.context())
    assert proposal is not None
    lab.close(proposal, 1.1, verdict)
    return proposal.proposer


def _bundles(lab: Laboratory) -> list[Proposal]:
    found = []
    for number in range(30):
        lab.seed = number
        if proposal := BundleProposer().propose(lab.context()):
            found.append(proposal)
    return found


def parts_of(proposal: Proposal) -> list[str]:
    return proposal.operator.split("+")
