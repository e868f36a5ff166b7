"""Combines near misses: two changes that were each almost good enough may be so together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from autogit.history import History
from autogit.propose.lineage import moved, near_misses, offered, roots, strongest_dead
from autogit.propose.proposer import Rung, Traits
from autogit.protocols import Context
from autogit.records import Proposal, Record

MAX_NEAR_MISSES = 8
"""Near misses that are combined; their pairs are few enough to try on one `main`."""
FRUITLESS_TRIALS = 4
"""Trials without an improvement from which on changes are combined that were no near misses."""


class CombineProposer(Traits):
    """Cherry-picks pairs of near misses onto `main`, the most promising first.

    A pair that was a near miss again is combined further, so that three and more come together only after two did.
    """

    name = "combine"
    second_hand = True
    rung = Rung.COMBINE

    def propose(self, context: Context) -> Proposal | None:
        history = context.history
        done = {roots(history, parents) for parents in offered(context, self.name)}
        for a, b in _pairs(history):
            first, second = sorted((a, b), key=lambda r: r.trial.number)
            ideas = [roots(history, [r.id]) for r in (first, second)]
            if ideas[0] & ideas[1] or ideas[0] | ideas[1] in done or _same_kind(first, second):
                continue
            parents = (first.id, second.id)
            proposal = moved(
                context, context.revisions.transplant(parents, context.base),
                f"Combine {first.trial.ref} ({first.trial.title}) with {second.trial.ref} ({second.trial.title})",
                self.name, parents, _why(history, first, second),
            )  # fmt: skip
            if proposal is not None:
                return proposal
        return None


def _pairs(history: History) -> Iterator[tuple[Record, Record]]:
    """Pairs of near misses; after FRUITLESS_TRIALS trials also of what lost more, since one may need the other."""
    gained = history.relative_effects()
    near = combinations(near_misses(history, MAX_NEAR_MISSES), 2)
    yield from sorted(near, key=lambda pair: -sum(gained[r.id] for r in pair))
    if history.since_accepted >= FRUITLESS_TRIALS:
        yield from combinations(strongest_dead(history, MAX_NEAR_MISSES), 2)


def _same_kind(a: Record, b: Record) -> bool:
    """Whether both would change the same thing, so that the one undoes the other."""
    return bool(a.trial.parameters.keys() & b.trial.parameters.keys()) or (
        (a.trial.proposer, a.trial.operator) == (b.trial.proposer, b.trial.operator) and a.trial.operator != "combine"
    )


def _why(history: History, *records: Record) -> str:
    gained, near = history.relative_effects(), {record.id for record in near_misses(history, MAX_NEAR_MISSES)}
    if not near.issuperset(record.id for record in records):
        return "Neither won alone; the one may need the other."
    each = " and ".join(f"{r.trial.ref} by {gained[r.id]:+.2f}%" for r in records)
    return f"Each missed its incumbent narrowly ({each}); their gains may add up."
