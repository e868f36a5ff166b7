"""Queued ideas: which of them wait, and for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from autogit.config.model import Config
from autogit.records import Idea, Proposal, Record, Verdict

ATTEMPTS = 2
"""An idea is given up after so many proposals that did not land, so that it does not stand in the way for ever."""


def waiting(ideas: Iterable[Idea], records: Iterable[Record], pending: Iterable[Proposal] = ()) -> tuple[Idea, ...]:
    """The ideas that nobody has followed yet, oldest first.

    An idea is used when a trial that ran, or is about to, names it. Nothing is marked: a loop that was killed between
    the idea and its trial finds the idea still waiting.
    """
    used = {proposal.idea for proposal in pending}
    failed: Counter[str] = Counter()
    for record in records:
        if record.verdict is Verdict.INVALID:
            failed[record.trial.idea] += 1
        else:
            used.add(record.trial.idea)
    return tuple(idea for idea in ideas if idea.id not in used and failed[idea.id] < ATTEMPTS)


def awaited(config: Config) -> str:
    """Who will take up a queued idea, in a sentence for the person."""
    makers = [model.model for model in config.llm] + (["your agent"] if config.agent.command else [])
    if makers:
        return f"The next proposal of {' or '.join(makers)} takes it up."
    return (
        "It waits for a language model or an agent, and none is configured: add [llm] with a model, or [agent] with a "
        "command, to .autoresearch.toml."
    )
