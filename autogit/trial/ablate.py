"""Which wins still matter: each accepted change taken back on today's `main`, and what that did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autogit.records import Record, Verdict

TOLD = -2.0
"""The z of a reversal from which it is worse beyond doubt; above it, its loss may be luck."""


class Standing(StrEnum):
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
    def standing(self) -> Standing:
        """Told by the verdict on the trial without it."""
        if self.without is None:
            return Standing.BUILT_ON
        if self.without.accepted:
            return Standing.TAKEN_BACK
        found = self.without.statistics
        measured = self.without.verdict is Verdict.REJECTED and "gain" in found
        if not measured:
            # It was stopped as hopeless, or it does not run at all.
            return Standing.MATTERS
        worse = found["z"] <= TOLD if "z" in found else found["gain"] < 0
        return Standing.MATTERS if worse else Standing.UNCLEAR
