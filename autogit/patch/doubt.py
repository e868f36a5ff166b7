"""What speaks against a place that the text of a hunk has: its own numbers, and the other hunks.

A stray line among the lines of a hunk looks like context and may lead it elsewhere. Where a header's numbers all prove
right as soon as some context is left out, they and the text are two readings of one hunk, and neither is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from autogit.errors import PatchError
from autogit.patch.hunk import Claim, Line, Sign
from autogit.patch.source import Fit

_Form = Callable[[str], str]
"""What counts of a line when two are compared."""


def doubt(claims: Sequence[Claim], fits: Sequence[Fit], lines: Sequence[str], path: str) -> None:
    """Raises PatchError where hunks that each fit one place cannot be meant so."""
    _agree(fits, path)
    found = [change for fit in fits for change in fit.changes()]
    shift = 0
    for claim in claims:
        changed = [line for line in claim.lines if line.sign is not Sign.KEPT]
        here, found = found[: len(changed)], found[len(changed) :]
        moved = any(line.bare != landing.bare for line, (landing, _) in zip(changed, here, strict=False))
        stated = _stated(claim, lines, shift, str.strip)
        elsewhere = [said - {place} for said, (_, place) in zip(stated, here, strict=False)]
        if any(elsewhere) or (moved and any(_stated(claim, lines, shift, str.rstrip))):
            raise PatchError(
                f"{path}: a hunk fits at line {here[0][1] + 1}, but with some of its context left out it is what its"
                " numbers say; leave out what is not in the file",
                "\n".join(f"{line.sign}{line.text}" for line in claim.lines),
            )
        if claim.numbers:
            shift += claim.numbers.new_count - claim.numbers.old_count


def _agree(fits: Sequence[Fit], path: str) -> None:
    """Two hunks may share lines, but not order them differently, nor keep what the other takes out."""
    for first, second in combinations(fits, 2):
        if not (first.start < second.stop and second.start < first.stop):
            continue
        places = [[place for _, place in fit.changes()] for fit in (first, second)]
        clash = {*first.kept(), *second.kept()} & {*first.removed(), *second.removed()}
        if clash or max(places[0]) > min(places[1]):
            at = min(clash, default=min(places[1]))
            raise PatchError(
                f"{path}: two hunks say different things about line {at + 1}; say the change once, in the file's order",
                f"{first.hunk}\n\n{second.hunk}",
            )


def _stated(claim: Claim, lines: Sequence[str], shift: int, form: _Form) -> list[set[int]]:
    """Where each changed line would be, in every reading that proves the numbers right by leaving out context.

    Nothing where no reading does, or where no text of the file speaks for it.
    """
    numbers = claim.numbers
    if numbers is None:
        return []
    removed = sum(line.sign is Sign.REMOVED for line in claim.lines)
    added = sum(line.sign is Sign.ADDED for line in claim.lines)
    start = numbers.old_start - (numbers.old_count > 0)
    new_start = numbers.new_start - (numbers.new_count > 0)
    there = [form(line) for line in lines[start : start + numbers.old_count]]
    if (
        numbers.old_count - removed != numbers.new_count - added
        or start + shift != new_start
        or len(there) != numbers.old_count
        or not any(there)
    ):
        return []
    before = _reach(claim.lines, there, form)
    after = [{len(there) - at for at in step} for step in _reach(claim.lines[::-1], there[::-1], form)][::-1]
    return [
        {start + at for at in before[i] if _takes(line, at, there, form) in after[i + 1]}
        for i, line in enumerate(claim.lines)
        if line.sign is not Sign.KEPT
    ]


def _reach(said: Sequence[Line], there: Sequence[str], form: _Form) -> list[set[int]]:
    """How many of the file's lines may be used up before each line that was said, and after the last."""
    steps = [{0}]
    for line in said:
        used = {_takes(line, at, there, form) for at in steps[-1]} - {-1}
        steps.append(used | steps[-1] if line.sign is Sign.KEPT else used)
    return steps


def _takes(line: Line, at: int, there: Sequence[str], form: _Form) -> int:
    """How many of the file's lines are used up behind `line`; -1 where the file has another one there."""
    if line.sign is Sign.ADDED:
        return at
    return at + 1 if at < len(there) and there[at] == form(line.text) else -1
