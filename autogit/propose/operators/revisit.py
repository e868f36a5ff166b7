"""Tries dead trials again whose reason has expired."""

from __future__ import annotations

from collections.abc import Iterator

from autogit.propose.lineage import moved, near_misses, offered, roots
from autogit.propose.proposer import Traits
from autogit.propose.search.failures import out_of_memory
from autogit.protocols import Context
from autogit.records import AGAINST, Proposal, Record, Verdict

MAX_NEAR_MISSES = 12
"""Near misses that are looked at again."""
MAX_TRIES_AGAIN = 2
"""How often one idea is tried again."""
MEMORY_SHARE = 0.95
"""Share of the memory of its time that `main` may use for a trial that ran out of memory to be tried again."""


class RevisitProposer(Traits):
    """Re-applies a dead trial onto a newer `main`: one that conflicted and no longer does, one that ran out of memory
    before `main` became smaller, one that missed narrowly an incumbent that is no longer there.
    """

    name = "revisit"
    second_hand = True

    def propose(self, context: Context) -> Proposal | None:
        done = {roots(context.history, parents) for parents in offered(context, self.name)}
        for record, why in _expired(context):
            idea = roots(context.history, [record.id])
            if idea in done or _judged_here(context, record) or _chances(context, idea) >= MAX_TRIES_AGAIN:
                continue
            proposal = moved(
                context, context.revisions.transplant([record.id], context.base),
                f"Again {record.trial.ref} ({record.trial.title})", self.name, (record.id,), why,
            )  # fmt: skip
            if proposal is not None:
                return proposal
        return None


def _judged_here(context: Context, record: Record) -> bool:
    """Whether a trial was judged against the very code that is there now, with the seed that is searched with now.

    A proof changes that seed: what one run of the incumbent may have hidden before is worth another look.
    """
    history, base = context.history, context.history.at(context.base)
    if record.trial.base != context.base or base is None:
        return False
    proved = base.proof is not None or any(check.get(AGAINST) == base.id for r in history for check in r.checks)
    return not (proved and record.runs and record.runs[0].seed == base.runs[0].seed)


def _expired(context: Context) -> Iterator[tuple[Record, str]]:
    history = context.history
    for record in near_misses(history, MAX_NEAR_MISSES):
        yield record, f"It missed its incumbent narrowly ({record.reason}); main has changed since."
    memory = {r.trial.commit: r.metrics["peak_memory_mb"] for r in history if r.won and "peak_memory_mb" in r.metrics}
    now = memory.get(context.base)
    for record in history:
        then = memory.get(record.trial.base)
        reason = " ".join([record.reason, *(run.reason for run in record.runs)])
        if record.verdict is Verdict.INVALID and "conflict" in record.reason:
            yield record, f"It could not be applied then ({record.reason}); now it can."
        elif record.verdict is Verdict.CRASHED and out_of_memory(reason) and now and then and now < MEMORY_SHARE * then:
            yield record, f"It ran out of memory when main used {then:.0f} MB; now that is {now:.0f} MB."


def _chances(context: Context, idea: frozenset[str]) -> int:
    """How often it was tried again so far, on any base."""
    again = [r for r in context.history if r.trial.proposer == RevisitProposer.name]
    return sum(roots(context.history, [r.id]) == idea for r in again)
