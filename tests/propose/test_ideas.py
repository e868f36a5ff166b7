from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from propose.fabricated import record

from autogit.config.model import Agent, Config, Llm, Train
from autogit.history import spending
from autogit.ledger import ideas as shelf
from autogit.propose.lineage import awaited, waiting
from autogit.records import Idea, Proposal, Record, Usage, Verdict

FIRST, SECOND = Idea("a", "one", "1"), Idea("b", "two", "2")


def follows(idea: str, verdict: Verdict, number: str = "1", usage: Usage | None = None) -> Record:
    made = record(number, f"c{number}", "c0", 1.0, verdict, "llm:m")
    return replace(made, trial=replace(made.trial, idea=idea, usage=usage))


def test_an_idea_waits_until_a_trial_that_ran_names_it() -> None:
    assert waiting((FIRST, SECOND), []) == (FIRST, SECOND)
    for verdict in (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.CRASHED):
        assert waiting((FIRST, SECOND), [follows("a", verdict)]) == (SECOND,)
    running = Proposal("c0", "", "t", "llm:m", "other", idea="a")
    assert waiting((FIRST, SECOND), [], [running]) == (SECOND,)


def test_an_idea_that_never_lands_gives_way() -> None:
    once = follows("a", Verdict.INVALID)
    assert waiting((FIRST,), [once]) == (FIRST,)
    assert waiting((FIRST,), [once, follows("a", Verdict.INVALID, "2")]) == ()


def test_it_says_whom_it_waits_for() -> None:
    config = Config(Train("x"))
    assert "add [llm]" in awaited(config)
    assert (
        awaited(replace(config, llm=(Llm("m"),), agent=Agent("x")))
        == "The next proposal of m or your agent takes it up."
    )


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), max_size=5, unique=True)
)
def test_ideas_come_back_from_the_shelf_in_their_order(texts: list[str]) -> None:
    made = [replace(shelf.new(text), added=f"2026-01-0{i + 1}") for i, text in enumerate(texts)]
    again = shelf.parse({idea.id: shelf.format(idea) for idea in reversed(made)})
    assert again == tuple(made)


def test_spending_counts_every_proposal_that_cost_something() -> None:
    records = [
        follows("", Verdict.ACCEPTED, "1", Usage(10, 5, 2.0, 0.5)),
        follows("", Verdict.INVALID, "2", Usage(20, 5, 1.0, 0.25)),
        follows("", Verdict.ACCEPTED, "3"),
    ]
    total = spending(records)
    assert total is not None
    assert (total.proposals, total.accepted, total.usage) == (2, 1, Usage(30, 10, 3.0, 0.75))
    assert total.cost_per_accepted == 0.75
    paid_for_nothing = spending(records[1:])
    assert paid_for_nothing is not None and paid_for_nothing.cost_per_accepted is None
    assert spending(records[2:]) is None
