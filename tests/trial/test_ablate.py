"""Accepted changes taken back, one by one."""

from __future__ import annotations

import pytest

from autogit.records import Proposal, Record, Trial, Verdict
from autogit.trial.ablate import CLEARLY_WORSE_Z, Ablation, Outcome, ablate

CHANGE = Record(Trial("1", "c1", "c0", "Wider", "person", "width+depth"), Verdict.ACCEPTED, "better")


def without(verdict: Verdict, **statistics: float) -> Record:
    return Record(Trial("9", "c9", "c1", "Back", "ablate", "ablate"), verdict, "", statistics=statistics)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (None, Outcome.BUILT_ON),
        (without(Verdict.ACCEPTED, gain=0.1, z=3.0), Outcome.TAKEN_BACK),
        (without(Verdict.CRASHED), Outcome.MATTERS),
        (without(Verdict.PRUNED, gain=0.1), Outcome.MATTERS),
        (without(Verdict.REJECTED), Outcome.MATTERS),
        (without(Verdict.REJECTED, gain=-0.1, z=CLEARLY_WORSE_Z), Outcome.MATTERS),
        (without(Verdict.REJECTED, gain=-0.1, z=CLEARLY_WORSE_Z + 0.1), Outcome.UNCLEAR),
        (without(Verdict.REJECTED, gain=0.1, z=1.0), Outcome.UNCLEAR),
        (without(Verdict.REJECTED, gain=-0.1), Outcome.MATTERS),
        (without(Verdict.REJECTED, gain=0.0), Outcome.UNCLEAR),
    ],
)
def test_outcomes(record: Record | None, outcome: Outcome) -> None:
    assert Ablation(CHANGE, record).outcome is outcome


def asked(answers: dict[str, Record | None]) -> tuple[list[Ablation], list[str]]:
    """Takes back CHANGE and its two parts; the answers by the part, a missing one cannot be taken back."""
    steps: list[str] = []

    def reversal(record: Record, part: str) -> Proposal | None:
        return Proposal("c1", "", part, "ablate", "ablate") if answers.get(part) else None

    def step(proposal: Proposal) -> Record:
        steps.append(proposal.title)
        record = answers[proposal.title]
        assert record is not None
        return record

    return list(ablate([CHANGE], reversal, lambda record: ("width", "depth"), step)), steps


def test_parts_are_asked_about_if_the_whole_matters() -> None:
    worse = without(Verdict.REJECTED, gain=-1.0)
    found, steps = asked({"": worse, "width": worse})
    assert steps == ["", "width"], "what cannot be taken back is no trial"
    assert [ablation.outcome for ablation in found] == [Outcome.MATTERS, Outcome.MATTERS, Outcome.BUILT_ON]
    assert [ablation.title for ablation in found] == ["Wider", *(f"{p}, a part of: Wider" for p in ("width", "depth"))]


def test_nobody_asks_about_the_parts_of_what_is_gone() -> None:
    found, steps = asked({"": without(Verdict.ACCEPTED, gain=0.1)})
    assert [ablation.outcome for ablation in found] == [Outcome.TAKEN_BACK] and steps == [""]
