"""Several changes at once: patterns and values of parameters in one proposal, for a start that is far from good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from autogit.config.patterns import Pattern
from autogit.diff import applied, unified
from autogit.errors import PatchError
from autogit.propose.lineage import parameters_set
from autogit.propose.patterns import PatternProposer, available, by_lot
from autogit.propose.proposer import Traits
from autogit.propose.rewriting import rewrite
from autogit.propose.search.domains import draw
from autogit.propose.search.failures import failed_moves
from autogit.propose.search.hyperparameters import SMALL_SPACE
from autogit.propose.search.setting import Search, Setting
from autogit.propose.search.tpe import suggestions
from autogit.protocols import Context
from autogit.records import Proposal, Record

MAX_PATTERNS = 3
"""Patterns in one bundle."""
MAX_DRAWS = 10
"""Bundles that are drawn before the turn is given up."""
MAX_SETTINGS = 8
"""Settings that are looked at for one of them."""


class BundleProposer(Traits):
    """Up to three patterns together with other values of about half of the parameters.

    To prove a gain takes runs in proportion to the inverse of its square, and one that is hopeless is stopped early:
    where much can be gained, several changes in one trial cost less than one trial for each. What of an accepted
    bundle does not matter is for the others to find out.
    """

    name = "bundle"
    leads_opening = True

    def propose(self, context: Context) -> Proposal | None:
        failed = {operator for proposer, operator in failed_moves(context.history) if proposer == PatternProposer.name}
        failed |= {proposal.operator for proposal in context.died}
        patterns = [pattern for pattern in available(context.config) if pattern.name not in failed]
        return next(filter(None, (self._drawn(context, patterns) for _ in range(MAX_DRAWS))), None)

    def _drawn(self, context: Context, patterns: Sequence[Pattern]) -> Proposal | None:
        files, titles, names, reasons = dict(context.files), list[str](), list[str](), list[str]()
        most = int(context.rng.integers(MAX_PATTERNS + 1))
        for pattern in by_lot(patterns, context.rng) if most else ():
            after = rewrite(pattern, files, context.config.train.command)
            if after is not None:
                files |= after
                titles.append(pattern.title)
                names.append(pattern.name)
                reasons.append(pattern.rationale)
            if len(names) == most:
                break
        there = replace(context, files=files)
        # Values that were tried without the patterns are new with them.
        search = replace(Search.of(there), tried=()) if names else Search.of(there)
        if not names and len(search.found.parameters) <= SMALL_SPACE:
            # Steps of one parameter find more on a small space (benchmarks/early.py).
            return None
        for setting in islice(_settings(there, search), MAX_SETTINGS):
            step = search.proposal(there, setting, self.name)
            changed = applied(files, step.diff) if step is not None else None
            if step is None or changed is None or len(names) + len(step.parameters) < 2:
                continue
            files |= {path: text for path, text in changed.items() if text is not None}
            titles.append(step.title)
            names += sorted(step.parameters)
            break
        if len(names) < 2:
            return None
        try:
            diff = context.check(unified(context.files, files))
        except PatchError:
            # Together they make no valid program.
            return None
        return Proposal(
            context.base, diff, "; ".join(titles), self.name, "+".join(names), "\n".join(reasons),
            parameters=parameters_set(context, diff),
        )  # fmt: skip


def parts(record: Record) -> tuple[str, ...]:
    """The patterns and parameters that an accepted bundle is made of; none of what is no bundle."""
    return tuple(record.trial.operator.split("+")) if record.trial.proposer == BundleProposer.name else ()


def _settings(context: Context, search: Search) -> Iterator[Setting]:
    """What the model of parameters suggests, and until it knows enough, other values of about half of them."""
    parameters, rng = list(search.found.parameters.values()), context.rng
    if not parameters:
        return
    seed = int(rng.integers(2**31))
    yield from suggestions(search.found, search.samples, context.pending, context.history.metric.direction, seed)
    while True:
        yield {p.name: draw(p.domain, rng) for p in parameters if rng.random() < 0.5}
