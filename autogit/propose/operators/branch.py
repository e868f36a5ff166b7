"""Branches off: takes up a dead change with other values of the parameters, which were tuned without it."""

from __future__ import annotations

from dataclasses import replace

from autogit.diff import applied, unified
from autogit.propose.lineage import moved, roots, strongest_dead
from autogit.propose.proposer import Rung, Traits
from autogit.propose.search.domains import near
from autogit.propose.search.parameters import Parameter
from autogit.propose.search.setting import Search
from autogit.protocols import Context
from autogit.records import Proposal, Record

MAX_DEAD_BRANCHES = 6
"""Dead branches that are taken up."""
TRIES_PER_BRANCH = 3
"""Values of parameters that are tried on each, on one `main`."""


class BranchProposer(Traits):
    """Re-applies a strong dead change to the code onto `main` together with one parameter's new value.

    What comes back is one change against `main`, which has to beat it like any other.
    """

    name = "branch"
    rung = Rung.BRANCH

    def propose(self, context: Context) -> Proposal | None:
        for record in strongest_dead(context.history, MAX_DEAD_BRANCHES):
            if _tries(context, record) < TRIES_PER_BRANCH:
                proposal = self._take_up(context, record)
                if proposal is not None:
                    return proposal
        return None

    def _take_up(self, context: Context, record: Record) -> Proposal | None:
        diff = context.revisions.transplant([record.id], context.base)
        after = applied(context.files, diff) if diff else None
        if after is None:
            return None
        files = {path: text for path, text in {**context.files, **after}.items() if text is not None}
        there = replace(context, files=files)
        # Values that were tried without it are new with it.
        search = replace(Search.of(there), tried=())
        for name, parameter in _shuffled(search, context):
            value = near(parameter.domain, parameter.value, context.rng, reach=0.5)
            step = search.proposal(there, {name: value}, self.name)
            changed = applied(files, step.diff) if step is not None else None
            if step is None or changed is None:
                continue
            whole = unified(context.files, {**after, **changed})
            title = f"{record.trial.ref} ({record.trial.title}) with {step.title}"
            why = f"{record.trial.ref} lost with values that were tuned without it; it may win with others."
            return moved(context, whole, title, self.name, (record.id,), why)
        return None


def _tries(context: Context, record: Record) -> int:
    idea = roots(context.history, [record.id])
    done = [r.trial.parents for r in context.history.on(context.base) if r.trial.proposer == BranchProposer.name]
    waiting = [p.parents for p in context.pending if p.base == context.base and p.proposer == BranchProposer.name]
    return sum(roots(context.history, parents) == idea for parents in (*done, *waiting))


def _shuffled(search: Search, context: Context) -> list[tuple[str, Parameter]]:
    items = list(search.found.parameters.items())
    return [items[i] for i in context.rng.permutation(len(items))]
