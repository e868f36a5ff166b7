"""The registry of proposers: our own, and those that other packages bring by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata

from autogit.propose.notices import Notices
from autogit.protocols import Proposer

GROUP = "autogit.proposers"
"""The entry points of other packages: each names a callable that returns a proposer, usually its class."""


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


def own_proposers() -> list[Proposer]:
    """Makes the proposers that need no model, in no order that matters."""
    from autogit.propose.operators.ablate import AblateProposer
    from autogit.propose.operators.branch import BranchProposer
    from autogit.propose.operators.bundle import BundleProposer
    from autogit.propose.operators.combine import CombineProposer
    from autogit.propose.operators.refine import RefineProposer
    from autogit.propose.operators.revisit import RevisitProposer
    from autogit.propose.patterns import PatternProposer
    from autogit.propose.search.hyperparameters import HyperparameterProposer

    return [
        HyperparameterProposer(), PatternProposer(), RefineProposer(), CombineProposer(), AblateProposer(),
        RevisitProposer(), BranchProposer(), BundleProposer(),
    ]  # fmt: skip


def foreign_proposers(notices: Notices) -> Iterator[Proposer]:
    """Makes the proposers of other packages; one that cannot be made is left out, and that is said."""
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        try:
            make: Callable[[], Proposer] = point.load()
            proposer = make()
            if not (isinstance(proposer.name, str) and proposer.name and callable(proposer.propose)):
                raise TypeError("a proposer has a name and a method propose(context)")
        except Exception as error:  # whatever another package does
            notices.say(f"the proposer {point.name} ({point.value}) is left out: {type(error).__name__}: {error}")
            continue
        yield proposer
