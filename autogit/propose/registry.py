"""The registry of proposers: our own, and those that other packages bring by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata

from autogit.propose.notices import Notices
from autogit.protocols import Proposer

GROUP = "autogit.proposers"
"""The entry points of other packages: each names a callable that returns a proposer, usually its class."""


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
