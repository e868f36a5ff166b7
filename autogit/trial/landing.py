"""What a proposal makes of the files: on the base that it was made for, or on a newer one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from autogit.errors import PatchError
from autogit.protocols import Changes
from autogit.records import BASELINE, NULL, Proposal


@dataclass(frozen=True, slots=True)
class Landed:
    """A proposal's text as it lands on its base."""

    diff: str
    changes: Changes
    idle: str = ""
    """Why it is no experiment (it changes only comments, or only the seed); empty where it is one."""


Land = Callable[[str, str], Landed]
"""(text, base commit) -> what lands; raises PatchError."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A proposal and what it lands as; one that cannot land is refused and says why."""

    proposal: Proposal
    landed: Landed


def ready_to_open(proposal: Proposal, land: Land) -> Ready:
    """A proposal with what it lands as."""
    landed = Landed("", {})
    if not proposal.refused and proposal.proposer not in (BASELINE, NULL):
        try:
            landed = land(proposal.diff, proposal.base)
        except PatchError as error:
            proposal = replace(proposal, refused=str(error))
    return Ready(proposal, landed)


def experiment(text: str, base: str, land: Land) -> str:
    """The canonical diff of what lands and teaches something. Raises PatchError.

    A person may try what does not: a null check.
    """
    landed = land(text, base)
    if landed.idle:
        raise PatchError(f"the diff {landed.idle}: there is nothing to measure")
    return landed.diff


def moved(proposal: Proposal, main: str, land: Land) -> Proposal:
    """One that was paid for, onto a newer `main`; refused where it is not fit for it."""
    if proposal.refused or proposal.base == main:
        return replace(proposal, base=main)
    problem = ""
    for diff in (proposal.diff, _without_context(proposal.diff)):
        try:
            return replace(proposal, base=main, diff=experiment(diff, main, land))
        except PatchError as error:
            problem = problem or str(error)
    return replace(proposal, base=main, refused=f"made for an older main, and not fit for the new one: {problem}")


def _without_context(diff: str) -> str:
    """The changed lines alone, which can be found where lines around them are no longer the same."""
    lines = ["@@" if line.startswith(" ") else line for line in diff.splitlines()]
    return "\n".join(a for a, b in pairwise([*lines, "@@"]) if not (a.startswith("@@") and b.startswith("@@"))) + "\n"
