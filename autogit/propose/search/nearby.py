"""Coordinate moves: one parameter a step away from its present value, for the first runs, when no model knows anything.

A step that won is taken again, further; a parameter whose steps both lost waits until the others had theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from autogit.config.space import Choice, Domain
from autogit.propose.search.domains import holds, ordinal, stepped
from autogit.propose.search.evidence import Sample
from autogit.propose.search.parameters import Parameter, same
from autogit.records import Value

STEP_SHARE = 0.25
"""Of a range that one step goes."""


def coordinate_moves(
    parameters: Sequence[Parameter], samples: Sequence[Sample], rng: np.random.Generator
) -> Iterator[dict[str, Value]]:
    """Yields each parameter's steps up and down, those of the least tried parameters first.

    `samples`: what was tried. Of two that were tried equally often chance decides, and which direction goes first, too,
    unless the parameter's last win says so.
    """
    tried = {p.name: sum(p.name in sample.moved for sample in samples) for p in parameters}
    wins = _winning_directions(samples)
    order = [parameters[i] for i in rng.permutation(len(parameters))]
    # A direction that won is followed before anything else is tried.
    order.sort(key=lambda p: (p.name not in wins, tried[p.name]))
    steps = {p.name: list(_steps(p, rng, wins.get(p.name, 0))) for p in order}
    for place in range(max(map(len, steps.values()), default=0)):
        for parameter in order:
            if place < len(steps[parameter.name]):
                yield {parameter.name: steps[parameter.name][place]}


def _steps(parameter: Parameter, rng: np.random.Generator, direction: int) -> Iterator[Value]:
    domain, value = parameter.domain, parameter.value
    if isinstance(domain, Choice) and ordinal(domain) is None:
        others = [each for each in domain.values if not same(each, value)]
        yield from (others[i] for i in rng.permutation(len(others)))
        return
    if not holds(domain, value):
        return
    first = direction or (1 if rng.random() < 0.5 else -1)
    for side in (first, -first):
        moved = _step(domain, value, side)
        if moved is not None and not same(moved, value):
            yield moved


def _step(domain: Domain, value: Value | None, side: int) -> Value | None:
    if isinstance(domain, Choice):
        ordered = ordinal(domain) or ()
        at = next(i for i, each in enumerate(ordered) if same(each, value)) + side
        return ordered[at] if 0 <= at < len(ordered) else None
    return stepped(domain, value, side * STEP_SHARE)


def _winning_directions(samples: Sequence[Sample]) -> Mapping[str, int]:
    """By parameter: the direction of its last step that was accepted, until a further one in it was not."""
    found: dict[str, int] = {}
    for sample in samples:
        for name in sample.moved:
            before, after = sample.before.get(name), sample.values[name]
            if not isinstance(before, int | float) or not isinstance(after, int | float):
                continue
            side = 1 if after > before else -1
            if sample.won:
                found[name] = side
            elif found.get(name) == side:
                del found[name]
    return found
