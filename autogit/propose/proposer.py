"""What the portfolio asks of a proposer beside its proposals."""

from __future__ import annotations

from enum import StrEnum

from autogit.protocols import Proposer


class Rung(StrEnum):
    """A step of the ladder that is climbed when nothing wins any more, from small changes to radical ones."""

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


class Traits:
    """How a proposer differs from others, for the portfolio. One inherits this, and says what is not so of it."""

    costs = False
    """Each proposal costs money or time (a model, an agent): asked once a turn, recorded whatever came of it."""
    second_hand = False
    """It only tries again what was tried."""
    weighs_values = False
    """It weighs its candidates by a model of its own, so the portfolio takes the first."""
    leads_opening = False
    """It has every other turn while `main` still stands about where it began."""
    rung = Rung.NONE
    """The rung of the ladder on which it has every other turn."""


def traits(proposer: Proposer) -> Traits:
    """Returns what is so of a proposer; of one that does not say, what is usual."""
    return proposer if isinstance(proposer, Traits) else Traits()
