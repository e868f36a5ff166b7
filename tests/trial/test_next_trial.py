"""What the queue takes up next, by itself: a baseline, a retry, a null change, a proposal, and in the end nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trial.memory import GREEDY, START, Scripted, change, config, desk, lands

from autogit.errors import CostLimitError, Interrupted, PatchError, ProposerError
from autogit.protocols import Context, Landed
from autogit.records import NULL, Proposal, Usage, Verdict
from autogit.trial.queue import NothingToPropose, experiment, moved, nothing_left


def test_the_baseline_goes_first_and_says_what_it_is(tmp_path: Path) -> None:
    made = desk(tmp_path)
    record = made.baseline()
    assert (record.trial.title, record.trial.is_baseline, record.trial.commit) == ("Baseline", True, "start")
    assert made.queue.baseline() is None
    made.ledger._files["mine"] = {"train.py": "loss = 0.9\n"}
    made.ledger._main = "mine"
    again = made.queue.baseline()
    assert again is not None and again.proposal.title == "Baseline after a person's commit"
    made.session.history.add(replace(record, environment={"data": "old"}))
    made.session.history.compare_on("new")
    again = made.queue.baseline()
    assert again is not None and again.proposal.title == "Baseline under a new configuration"


def test_an_open_baseline_goes_on_if_main_is_still_there(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.queue.commit(made.queue._landed(Proposal("start", "", "Baseline", "baseline", "baseline")))
    made.queue._unfinished.append(opened.trial)
    again = made.queue.baseline()
    assert again is not None and again.trial == opened.trial
    made.queue._unfinished.append(opened.trial)
    made.ledger._files["mine"] = {"train.py": START}
    made.ledger._main = "mine"
    again = made.queue.baseline()
    assert made.ledger.discarded == [opened.trial.id] and again is not None and again.trial is None


def test_an_open_trial_of_an_earlier_loop_goes_before_anything_new(tmp_path: Path) -> None:
    made = desk(tmp_path, proposer=Scripted(0.5))
    made.baseline()
    opened = made.opened("loss = 0.9\n", parents=("0",), parameters={"loss": 0.9})
    made.queue._unfinished.append(opened.trial)
    candidate = made.queue.propose()
    assert candidate.trial == opened.trial and "+loss = 0.9" in candidate.proposal.diff
    assert (candidate.proposal.parents, dict(candidate.proposal.parameters)) == (("0",), {"loss": 0.9})
    assert made.queue.propose().proposal.title == "loss = 0.5"


def test_what_is_known_goes_to_the_proposer(tmp_path: Path) -> None:
    proposer = Scripted(0.9, 0.8)
    made = desk(tmp_path, "[limits]\ntrials = 5\nhours = 2\n" + GREEDY, proposer=proposer)
    made.baseline()
    first = made.queue.commit(made.queue.propose())
    made.queue.died(first.trial, "KeyError")
    made.queue.propose()
    context = proposer.asked[-1]
    assert [(p.title, p.refused) for p in context.died] == [("loss = 0.9", "KeyError")]
    assert context.base == "start" and context.pending == () and context.remaining.trials == 5
    assert context.remaining.hours is not None and 0 < context.remaining.hours <= 2
    with pytest.raises(PatchError, match="nothing to measure"):
        experiment("x", "start", lambda text, base: Landed("x", {}, "changes only comments"))


def test_what_cannot_land_is_refused_and_says_so(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.queue.commit(
        made.queue.propose(Proposal("start", "rubbish", "Bad", "test", "loss", raw="as it came"))
    )
    assert opened.refused == "the diff does not apply" and opened.logs == ["as it came"]


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_share_of_null_changes(tmp_path: Path, rate: float) -> None:
    proposer = Scripted(0.5)
    made = desk(tmp_path, proposer=proposer, null_rate=rate)
    made.baseline()
    proposal = made.queue.propose().proposal
    assert (proposal.proposer == NULL) is (rate == 1.0) and len(proposer.asked) == 1 - rate


def test_null_changes_are_no_lesson(tmp_path: Path) -> None:
    proposer = Scripted(0.9)
    made = desk(tmp_path, proposer=proposer)
    made.baseline()
    made.close(Proposal("start", "", "Nothing", NULL, NULL))
    made.queue.propose()
    assert [record.id for record in proposer.asked[0].history] == ["0"]


def test_a_superseded_change_is_tried_again_once_on_the_new_main(tmp_path: Path) -> None:
    made = desk(tmp_path, proposer=Scripted(0.2))
    made.baseline()
    late = made.close(change("start", START, "loss = 0.9\n"))
    superseded = replace(late, verdict=Verdict.SUPERSEDED)
    made.session.history.add(superseded)
    made.ledger._records[-1] = superseded
    made.ledger._main = "start"
    again = made.queue.propose()
    assert (again.proposal.operator, again.proposal.parents) == ("retry", (late.id,))
    assert "+loss = 0.9" in again.proposal.diff and again.proposal.refused == ""
    made.close(again)
    assert made.queue.propose().proposal.title == "loss = 0.2", "once"


def test_a_retry_that_conflicts_is_refused(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    late = made.opened("loss = 0.9\n").trial
    won = made.close(change("start", START, "loss = 0.5\n"))
    assert made.ledger.main() == won.trial.commit
    again = made.queue._again(replace(won, trial=late, verdict=Verdict.SUPERSEDED))
    assert again.refused == f"conflicts with the new main: {late.ref} no longer applies"
    assert again.base == won.trial.commit


def test_the_end_of_proposals_says_what_would_help(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    with pytest.raises(NothingToPropose, match="nothing is left to propose on this main") as end:
        made.queue.propose()
    assert not end.value.failed
    helps = nothing_left(config("[space]\na = [1, 2]\nb = [1, 2]\nc = [1, 2]\nd = [1, 2]\ne = [1, 2]\n"))
    assert "it has a, b, c, d, ..." in helps


class Failing(Scripted):
    def __init__(self, error: ProposerError) -> None:
        super().__init__()
        self.error = error

    def propose(self, context: Context) -> Proposal | None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "failed"), [(ProposerError("no key"), True), (CostLimitError("3 EUR are spent"), False)]
)
def test_a_proposer_that_cannot_go_on_ends_the_loop(tmp_path: Path, error: ProposerError, failed: bool) -> None:
    made = desk(tmp_path, proposer=Failing(error))
    made.baseline()
    with pytest.raises(NothingToPropose, match=str(error)) as end:
        made.queue.propose()
    assert end.value.failed is failed


def test_the_end_of_a_loop_is_not_waited_out(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    made.opened("loss = 0.9\n")
    made.session.ending.set()
    with pytest.raises(Interrupted):
        made.queue.propose()


def test_a_preview_opens_nothing(tmp_path: Path) -> None:
    made = desk(tmp_path, proposer=Scripted(0.9, 0.8))
    made.baseline()
    for _ in range(2):
        assert [p.title for p in made.queue.preview(5)] == ["loss = 0.9", "loss = 0.8"]
    assert len(made.queue.preview(1)) == 1 and "1" not in made.ledger._trials


def test_a_proposal_ahead_is_made_anew_if_main_has_moved(tmp_path: Path) -> None:
    made = desk(tmp_path, proposer=Scripted(0.9))
    made.baseline()
    made.queue.prepare()
    assert made.queue.ahead == 1
    made.queue._ahead[0][1].result()
    won = made.close(change("start", START, "loss = 0.5\n"))
    candidate = made.queue.propose()
    assert candidate.proposal.base == won.trial.commit and "-loss = 0.5" in candidate.proposal.diff
    assert made.queue.ahead == 0


def test_what_was_paid_for_moves_onto_the_new_main(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.ledger._files["new"] = {"train.py": "width = 3\n\n\nloss = 1.0\n"}
    made.ledger._files["other"] = {"train.py": "lr = 1.0\n"}
    land = lands(made.ledger)
    paid = change("start", START, "loss = 0.5\n", usage=Usage(cost=1.0))
    assert moved(paid, "start", land) == paid
    gone = moved(paid, "other", land)
    assert gone.base == "other" and gone.refused.startswith("made for an older main, and not fit for the new one: the")
    assert moved(gone, "start", land) == replace(gone, base="start"), "what is refused stays so"
