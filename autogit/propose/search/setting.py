"""What may be set on a base, and the proposal that sets it: shared by all who change parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from autogit.diff import unified
from autogit.propose.search.domains import distance
from autogit.propose.search.evidence import Sample, evidence, older
from autogit.propose.search.failures import Region, failed_regions
from autogit.propose.search.parameters import Found, edited, find, fitting, same, widened, without_unread
from autogit.protocols import Context
from autogit.records import Proposal, Value

Setting = dict[str, Value]
"""New values by parameter."""


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters of a base, what is known of them, and which settings are left."""

    found: Found
    samples: tuple[Sample, ...]
    closed: tuple[Region, ...]
    """Regions where trials only failed."""
    tried: tuple[Mapping[str, Value], ...]
    """The settings that were proposed on this base already, by whomever."""

    @classmethod
    def of(cls, context: Context) -> Search:
        command = context.config.train.command
        found = find(widened(context.config.space, context.files, command), context.files, command)
        found = without_unread(found, context.files, (files for _, files in older(context)))
        samples = evidence(context, found)
        done = [record.trial.parameters for record in context.history.on(context.base)]
        waiting = [
            proposal.parameters for proposal in (*context.pending, *context.died) if proposal.base == context.base
        ]
        tried = tuple(parameters for parameters in chain(done, waiting) if parameters)
        return cls(found, tuple(samples), tuple(failed_regions(samples, len(context.history))), tried)

    def proposal(
        self,
        context: Context,
        setting: Setting,
        proposer: str,
        operator: str = "",
        rationale: str = "",
        parents: tuple[str, ...] = (),
        grain: float = 0.0,
    ) -> Proposal | None:
        """The proposal that changes the present values to `setting`, if it is new, allowed and can be written.

        New is what is further than `grain` (a share of each range) from what was tried, and from what is there now.
        """
        present = {name: self.found.parameters[name].value for name in setting}
        values = {n: fitting(v, present[n]) for n, v in setting.items() if not same(v, present[n])}
        if not values or not self._new(values, grain) or not self.found.allowed(context.config.space, values):
            return None
        whole = {**{name: parameter.value for name, parameter in self.found.parameters.items()}, **values}
        if any(region.holds(whole) for region in self.closed):
            return None
        after = edited(self.found, context.files, values)
        diff = unified(context.files, after) if after is not None else ""
        if not diff:
            return None
        title = ", ".join(f"{name} {shown(present[name])} -> {shown(value)}" for name, value in values.items())
        return Proposal(
            context.base, diff, title, proposer, operator or "+".join(sorted(values)), rationale,
            parameters=values, parents=parents,
        )  # fmt: skip

    def _new(self, values: Setting, grain: float) -> bool:
        """Whether every setting of the same parameters that was tried, and the present one, is further away."""
        present = {name: self.found.parameters[name].value for name in values}
        return not any(
            all(distance(self.found.parameters[name].domain, values[name], other[name]) <= grain for name in values)
            for other in (*self.tried, present)
            if other.keys() == values.keys()
        )


def shown(value: Value | None) -> str:
    """A value in a title."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
