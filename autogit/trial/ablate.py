"""Takes each accepted change back on today's `main`, and tells which ones still matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autogit.records import GAIN, Proposal, Record, Verdict, Z

CLEARLY_WORSE_Z = -2.0
"""A reversal with a z at or below this counts as clearly worse; above it, its loss may be luck."""


class Outcome(StrEnum):
    """What became of an accepted change."""

    MATTERS = "still matters"
    UNCLEAR = "cannot be told from noise"
    TAKEN_BACK = "taken back"
    BUILT_ON = "later changes build on it"


@dataclass(frozen=True, slots=True)
class Ablation:
    """One accepted change, or a part of a bundle, and the trial that did without it."""

    change: Record
    without: Record | None
    """None where it cannot be taken back alone."""
    part: str = ""
    """The pattern or parameter, of a bundle that matters as a whole."""

    @property
    def title(self) -> str:
        """What was taken back."""
        return f"{self.part}, a part of: {self.change.trial.title}" if self.part else self.change.trial.title

    @property
    def outcome(self) -> Outcome:
        """Told by the verdict on the trial without it."""
        if self.without is None:
            return Outcome.BUILT_ON
        if self.without.accepted:
            return Outcome.TAKEN_BACK
        found = self.without.statistics
        measured = self.without.verdict is Verdict.REJECTED and GAIN in found
        if not measured:
            # It was stopped as hopeless, or it does not run at all.
            return Outcome.MATTERS
        worse = found[Z] <= CLEARLY_WORSE_Z if Z in found else found[GAIN] < 0
        return Outcome.MATTERS if worse else Outcome.UNCLEAR


def ablate(
    changes: Sequence[Record],
    reversal: Callable[[Record, str], Proposal | None],
    parts: Callable[[Record], Sequence[str]],
    step: Callable[[Proposal], Record],
) -> Iterator[Ablation]:
    """Takes back each of `changes` in turn, and each part of a bundle that matters as a whole.

    `reversal`: (change, part or "") -> the proposal that does without it, or None if later changes build on it;
    `step`: makes a trial of it. Gives each ablation as it is done.
    """
    for change in changes:
        proposal = reversal(change, "")
        whole = Ablation(change, None if proposal is None else step(proposal))
        yield whole
        for part in () if whole.outcome is Outcome.TAKEN_BACK else parts(change):
            proposal = reversal(change, part)
            yield Ablation(change, None if proposal is None else step(proposal), part)
