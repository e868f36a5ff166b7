"""Takes accepted changes back, one at a time, on today's `main`: what no longer matters can go."""

from __future__ import annotations

from autogit.diff import applied, unified
from autogit.propose.lineage import moved, on_main
from autogit.propose.operators.bundle import parts
from autogit.propose.patterns import available
from autogit.propose.proposer import Rung, Traits
from autogit.propose.rewriting import rewrite
from autogit.propose.search.parameters import edited, find
from autogit.protocols import Context
from autogit.records import Proposal, Record

RESTED_ACCEPTS = 3
"""Accepted changes after which a win that still mattered is questioned again."""


class AblateProposer(Traits):
    """Reverts the accepted change that was longest unquestioned. Never the latest one, which has just proved itself."""

    name = "ablate"
    second_hand = True
    rung = Rung.ABLATE

    def propose(self, context: Context) -> Proposal | None:
        line = on_main(context)
        for record in reversed(line[1:]):
            if not _rests(context, record, line):
                proposal = ablation(context, record)
                if proposal is not None:
                    return proposal
        return None


def ablation(context: Context, record: Record) -> Proposal | None:
    """The proposal that takes `record`'s change back on the base; None if later changes build on it."""
    ref = record.trial.ref
    return moved(
        context, context.revisions.revert(record.id, context.base), f"Without {ref} ({record.trial.title})",
        AblateProposer.name, (record.id,), f"If nothing is lost without {ref}, later changes have made it superfluous.",
    )  # fmt: skip


def ablated_part(context: Context, record: Record, part: str) -> Proposal | None:
    """The proposal that takes one part of an accepted bundle back; None if later changes build on it."""
    reverse = context.revisions.revert(record.id, context.base)
    changes = applied(context.files, reverse) if reverse else None
    if changes is None:
        return None
    files = {path: text for path, text in {**context.files, **changes}.items() if text is not None}
    patterns = {pattern.name: pattern for pattern in available(context.config)}
    # The others again, in the order in which they came.
    for name in parts(record):
        if name != part and name in patterns:
            after = rewrite(patterns[name], files, context.config.train.command)
            if after is None:
                return None
            files |= after
    space, command = context.config.space, context.config.train.command
    now, then = find(space, context.files, command).parameters, find(space, files, command)
    kept = {
        name: value
        for name in record.trial.parameters
        if name != part and name in now and name in then.parameters and (value := now[name].value) is not None
    }
    setting = edited(then, files, kept)
    if setting is None:
        return None
    ref, title = record.trial.ref, patterns[part].title if part in patterns else part
    return moved(
        context, unified(context.files, {**files, **setting}), f"{ref} without a part ({title})",
        AblateProposer.name, (record.id,), f"If nothing is lost, {ref} won without it.",
    )  # fmt: skip


def _rests(context: Context, record: Record, line: list[Record]) -> bool:
    """Whether it was questioned less than RESTED_ACCEPTS accepted changes ago, or is in a proposal that waits."""
    recent = {context.base, *(r.trial.base for r in line[: RESTED_ACCEPTS - 1])}
    questioned = [
        r for r in context.history if r.trial.proposer == AblateProposer.name and record.id in r.trial.parents
    ]
    waiting = any(p.proposer == AblateProposer.name and record.id in p.parents for p in context.pending)
    # The revert of a revert would be the change itself.
    return waiting or record.trial.proposer == AblateProposer.name or any(r.trial.base in recent for r in questioned)
