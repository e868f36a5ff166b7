"""What is done when nothing wins any more: a ladder from small steps to radical ones."""

from __future__ import annotations

from enum import StrEnum

from autogit.config.model import Limits
from autogit.history import History


class Rung(StrEnum):
    """A step of the ladder; the value is the name of the proposer that then has every other turn."""

    NONE = ""
    REFINE = "refine"
    COMBINE = "combine"
    ABLATE = "ablate"
    BRANCH = "branch"
    RADICAL = "radical"
    """The models and agents, which are to leave the beaten track."""

    @property
    def sentence(self) -> str:
        """What is done on it, for the person."""
        return {
            Rung.NONE: "",
            Rung.REFINE: "refining around what won",
            Rung.COMBINE: "combining near misses",
            Rung.ABLATE: "questioning accepted changes",
            Rung.BRANCH: "branching off from strong dead branches",
            Rung.RADICAL: "asking for something radical",
        }[self]


LONG = 8
"""Trials without an improvement after which the next rung is taken, where no patience is configured."""


def rung(history: History, limits: Limits) -> Rung:
    """The rung that the lab is on, told from its records alone: a restart stays on it."""
    ladder = list(Rung)
    return ladder[min(history.since_accepted // _width(limits), len(ladder) - 1)]


def word(history: History, limits: Limits) -> str:
    """What to say of the plateau, the same sentence for as long as the rung lasts; empty where there is none."""
    step = rung(history, limits)
    if step is Rung.NONE:
        return ""
    best = history.best()
    since = f" since {best.trial.ref}" if best is not None else ""
    trials = list(Rung).index(step) * _width(limits)
    return f"plateau: {trials} trials{since} without an improvement; {step.sentence} from here on"


def _width(limits: Limits) -> int:
    """Trials per rung: all of them are climbed before the loop's patience ends."""
    return max(1, limits.patience // len(Rung)) if limits.patience else LONG
