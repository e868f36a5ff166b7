"""Proposes another value for one declared parameter, sometimes for a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, combinations, product

import numpy as np

from autogit.diff import unified
from autogit.propose.domains import draw, every, holds, near
from autogit.propose.notices import Notices
from autogit.propose.parameters import Found, Parameter, edited, find, fitting, normal, same
from autogit.protocols import Context
from autogit.records import Proposal, Value

Setting = dict[str, Value]
"""New values by parameter."""


class HyperparameterProposer:
    """Searches `[space]`. A parameter that the code does not hold, or holds twice, is said once and left alone."""

    name = "hyperparameters"

    def __init__(self) -> None:
        self.notices = Notices()

    def propose(self, context: Context) -> Proposal | None:
        found = find(context.config.space, context.files, context.config.train.command)
        self.notices.say(*found.problems)
        tried = settings_tried(context)
        for setting in _candidates(found, context.rng):
            changed = {n: v for n, v in setting.items() if not same(v, found.parameters[n].value)}
            if not changed or key(changed) in tried or not found.allowed(context.config.space, changed):
                continue
            proposal = setting_proposal(context, found, changed, self.name)
            if proposal is not None:
                return proposal
            tried.add(key(changed))
        return None


def setting_proposal(
    context: Context, found: Found, setting: Mapping[str, Value], proposer: str, rationale: str = ""
) -> Proposal | None:
    """The proposal that sets `setting`; None where the code does not let itself be edited so."""
    present = {name: found.parameters[name].value for name in setting}
    values = {name: fitting(value, present[name]) for name, value in setting.items()}
    after = edited(found, context.files, values)
    if after is None:
        return None
    diff = unified(context.files, after)
    if not diff:
        return None
    title = ", ".join(f"{name} {shown(present[name])} -> {shown(value)}" for name, value in values.items())
    return Proposal(
        base=context.base, diff=diff, title=title, proposer=proposer, operator="+".join(sorted(values)),
        rationale=rationale, parameters=values,
    )  # fmt: skip


def settings_tried(context: Context) -> set[object]:
    """Keys of the settings that were proposed on this base already, by whomever."""
    done = [record.trial.parameters for record in context.history.on(context.base)]
    waiting = [proposal.parameters for proposal in context.pending if proposal.base == context.base]
    return {key(parameters) for parameters in chain(done, waiting) if parameters}


def key(setting: Mapping[str, Value]) -> object:
    """Equal for settings that mean the same."""
    return frozenset((name, normal(value)) for name, value in setting.items())


def shown(value: Value | None) -> str:
    """A value in a title."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _candidates(found: Found, rng: np.random.Generator) -> Iterator[Setting]:
    """Settings to try, the likelier first; ends where the space is finite and all of it was offered."""
    parameters = list(found.parameters.values())
    if not parameters:
        return
    for _ in range(200):
        yield _random(parameters, rng)
    yield from _exhaustive(parameters)


def _random(parameters: list[Parameter], rng: np.random.Generator) -> Setting:
    """Mostly one parameter, seldom two or three: half of the values near the present one, half from anywhere."""
    count = min(len(parameters), int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])))
    chosen = [parameters[i] for i in sorted(rng.choice(len(parameters), count, replace=False))]
    return {
        p.name: near(p.domain, p.value, rng) if holds(p.domain, p.value) and rng.random() < 0.5 else draw(p.domain, rng)
        for p in chosen
    }


def _exhaustive(parameters: list[Parameter]) -> Iterator[Setting]:
    """Every change of one parameter, then of two, in the finite domains."""
    for parameter in parameters:
        for value in every(parameter.domain):
            yield {parameter.name: value}
    for a, b in combinations(parameters, 2):
        for value_a, value_b in product(every(a.domain, 40), every(b.domain, 40)):
            yield {a.name: value_a, b.name: value_b}
