"""Combines near misses: two changes that were each almost good enough may be so together."""

from __future__ import annotations

from itertools import combinations

from autogit.history import History
from autogit.propose.moves import moved
from autogit.propose.standing import gains, near_misses, offered, roots
from autogit.protocols import Context
from autogit.records import Proposal, Record

MOST = 8
"""Near misses that are combined; their pairs are few enough to try on one `main`."""


class CombineProposer:
    """Cherry-picks pairs of near misses onto `main`, the most promising first.

    A pair that was a near miss again is combined further, so that three and more come together only after two did.
    """

    name = "combine"

    def propose(self, context: Context) -> Proposal | None:
        history, gained = context.history, gains(context.history)
        done = {roots(history, parents) for parents in offered(context, self.name)}
        pairs = combinations(near_misses(history, MOST), 2)
        for a, b in sorted(pairs, key=lambda pair: -sum(gained[r.id] for r in pair)):
            first, second = sorted((a, b), key=lambda r: r.trial.number)
            ideas = [roots(history, [r.id]) for r in (first, second)]
            if ideas[0] & ideas[1] or ideas[0] | ideas[1] in done or _same_kind(first, second):
                continue
            parents = (first.id, second.id)
            proposal = moved(
                context, context.revisions.transplant(parents, context.base),
                f"Combine {first.trial.ref} ({first.trial.title}) with {second.trial.ref} ({second.trial.title})",
                self.name, parents, _why(history, gained, first, second),
            )  # fmt: skip
            if proposal is not None:
                return proposal
        return None


def _same_kind(a: Record, b: Record) -> bool:
    """Whether both would change the same thing, so that the one undoes the other."""
    return bool(a.trial.parameters.keys() & b.trial.parameters.keys()) or (
        (a.trial.proposer, a.trial.operator) == (b.trial.proposer, b.trial.operator) and a.trial.operator != "combine"
    )


def _why(history: History, gained: dict[str, float], *records: Record) -> str:
    each = " and ".join(f"{r.trial.ref} by {gained[r.id]:+.2f}%" for r in records)
    return f"Each missed its incumbent narrowly ({each}); their gains may add up."
