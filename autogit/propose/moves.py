"""The proposal that a move of git makes: what the history operators share."""

from __future__ import annotations

from collections.abc import Mapping

from autogit.diff import applied
from autogit.propose.search.parameters import find, same
from autogit.protocols import Context
from autogit.records import Proposal, Value


def moved(
    context: Context, diff: str | None, title: str, proposer: str, parents: tuple[str, ...], rationale: str
) -> Proposal | None:
    """A proposal of `diff` against the base; None where there is none: it conflicted or changes nothing."""
    if not diff:
        return None
    return Proposal(
        base=context.base, diff=diff, title=title, proposer=proposer, operator=proposer, rationale=rationale,
        parameters=parameters_set(context, diff), parents=parents,
    )  # fmt: skip


def parameters_set(context: Context, diff: str) -> Mapping[str, Value]:
    """The declared parameters that have another value once `diff` is applied."""
    after = applied(context.files, diff)
    if after is None:
        return {}
    space, command = context.config.space, context.config.train.command
    files = {path: text for path, text in {**context.files, **after}.items() if text is not None}
    before, now = find(space, context.files, command).parameters, find(space, files, command).parameters
    return {
        name: parameter.value
        for name, parameter in now.items()
        if parameter.value is not None and name in before and not same(parameter.value, before[name].value)
    }
