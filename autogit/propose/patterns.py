"""Structural changes from the catalogue and from the person's own `[[pattern]]` tables."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from autogit.config.binding import bind
from autogit.config.patterns import Pattern
from autogit.diff import unified
from autogit.errors import PatchError
from autogit.propose.notices import Notices
from autogit.propose.proposer import Traits
from autogit.propose.rewriting import rewrite
from autogit.protocols import Context
from autogit.records import Proposal

if TYPE_CHECKING:
    from autogit.config.model import Config


class PatternProposer(Traits):
    """Proposes each pattern that applies to the incumbent, once on each base, in an order that the seed decides.

    A pattern that is not in any published recipe has one ticket in that lot, each recipe that uses it adds one.
    """

    name = "patterns"

    def __init__(self) -> None:
        self.notices = Notices()

    def propose(self, context: Context) -> Proposal | None:
        """The next pattern that was not tried on this base; those that never were go first."""
        tried_here = {r.trial.operator for r in context.history.on(context.base)}
        tried_here |= {p.operator for p in (*context.pending, *context.died)}
        tried = {r.trial.operator for r in context.history}
        patterns = [p for p in available(context.config) if p.name not in tried_here]
        shuffled = by_lot(patterns, context.rng)
        for pattern in sorted(shuffled, key=lambda p: p.name in tried):
            proposal = pattern_proposal(pattern, context)
            if proposal is not None:
                return proposal
        return None


def by_lot(patterns: Sequence[Pattern], rng: np.random.Generator) -> list[Pattern]:
    """All of them in an order by lot, where each published recipe that uses a pattern is a ticket more."""
    tickets = np.array([1.0 + len(pattern.adopted) for pattern in patterns])
    order = rng.choice(len(patterns), len(patterns), replace=False, p=tickets / tickets.sum()) if patterns else ()
    return [patterns[i] for i in order]


def pattern_proposal(pattern: Pattern, context: Context) -> Proposal | None:
    """The proposal that makes `pattern` on the base; None if it does not apply or would not land."""
    after = rewrite(pattern, context.files, context.config.train.command)
    if after is None:
        return None
    try:
        diff = context.check(unified(context.files, after))
    except PatchError:
        # It found a place whose surroundings it does not fit: what results is no valid program.
        return None
    return Proposal(
        base=context.base,
        diff=diff,
        title=pattern.title,
        proposer=PatternProposer.name,
        operator=pattern.name,
        rationale=pattern.rationale,
    )


def available(config: Config) -> tuple[Pattern, ...]:
    """The person's own patterns, then the catalogue; one of the person's replaces the catalogue's of the same name."""
    own = {pattern.name for pattern in config.pattern}
    return config.pattern + (tuple(p for p in catalogue() if p.name not in own) if config.catalogue else ())


@cache
def catalogue() -> tuple[Pattern, ...]:
    """The patterns that ship with autogit, in the order of their files."""
    found: list[Pattern] = []
    folder = resources.files("autogit.propose") / "catalogue"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        tables = tomllib.loads(file.read_text(encoding="utf-8"))["pattern"]
        found += [bind(Pattern, table, "pattern", file.name) for table in tables]
    return tuple(found)
