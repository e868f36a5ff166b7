"""Proposes another value for one parameter, sometimes for several: at random first, then where a model sees promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, islice, product

import numpy as np

from autogit.propose.notices import Notices
from autogit.propose.proposer import Traits
from autogit.propose.search.domains import draw, every, holds, near
from autogit.propose.search.gaussian import promising
from autogit.propose.search.nearby import coordinate_moves
from autogit.propose.search.parameters import Found, Parameter, same
from autogit.propose.search.setting import Search, Setting
from autogit.propose.search.tpe import importance, suggestions
from autogit.protocols import Context
from autogit.records import Proposal

GRAIN_SHARE = 0.04
"""What is nearer than this share of the range teaches little, and is tried only when nothing else is left."""
MAX_SUGGESTIONS = 8
"""Suggestions of the model that are looked at before chance decides, if those before cannot be used."""
SMALL_SPACE = 5
"""Parameters up to which a space begins with a step of each; in larger ones that was no better (docs/search.md)."""
EARLY_SAMPLES = 30
"""Settings that are known, up to which a Gaussian process suggests in a small space; TPE does after that."""
MAX_RANDOM_DRAWS = 200
"""Settings drawn before a finite space is gone through one by one."""


class HyperparameterProposer(Traits):
    """Searches `[space]`. A parameter that the code does not hold, or holds twice, is said once and left alone."""

    name = "hyperparameters"
    weighs_values = True

    def __init__(self) -> None:
        self.notices = Notices()

    def propose(self, context: Context) -> Proposal | None:
        search = Search.of(context)
        self.notices.say(*search.found.problems, *map(str, search.closed))
        for grain in (GRAIN_SHARE, 0.0):
            for setting in _candidates(context, search):
                proposal = search.proposal(context, setting, self.name, grain=grain)
                if proposal is not None:
                    return proposal
        return None


def parameter_importance(context: Context) -> Mapping[str, float]:
    """Each parameter's share in what made earlier trials good (they sum to 1), the most important first.

    Empty until there are enough trials to tell.
    """
    search = Search.of(context)
    return importance(search.found, search.samples, context.history.metric.direction)


def _candidates(context: Context, search: Search) -> Iterator[Setting]:
    """Settings to try, the likelier first; ends where the space is finite and all of it was offered."""
    parameters, rng = list(search.found.parameters.values()), context.rng
    if not parameters:
        return
    yield from _early(context, search, rng)
    seed = int(rng.integers(2**31))
    guided = suggestions(search.found, search.samples, context.pending, context.history.metric.direction, seed)
    for setting in islice(guided, MAX_SUGGESTIONS):
        yield part(setting, search.found, rng)
    for _ in range(MAX_RANDOM_DRAWS):
        yield random_setting(parameters, rng)
    yield from _exhaustive(parameters)


def _early(context: Context, search: Search, rng: np.random.Generator) -> Iterator[Setting]:
    """What is tried first in a small space: a step of each parameter, then what a Gaussian process expects most of."""
    parameters, known = list(search.found.parameters.values()), len(search.samples) + len(context.pending)
    if len(parameters) > SMALL_SPACE:
        return
    if known <= len(parameters):
        yield from coordinate_moves(parameters, search.samples, rng)
    if known < EARLY_SAMPLES:
        direction = context.history.metric.direction
        yield from islice(promising(search.found, search.samples, direction, rng, context.pending), MAX_SUGGESTIONS)


def part(setting: Setting, found: Found, rng: np.random.Generator) -> Setting:
    """Some of what the model would change: a small change of what works keeps its cause plain."""
    names = [name for name, value in setting.items() if not same(value, found.parameters[name].value)]
    count = min(len(names), int(rng.choice([1, 2, len(setting)], p=[0.4, 0.3, 0.3])))
    return {names[i]: setting[names[i]] for i in sorted(rng.permutation(len(names))[:count])}


def random_setting(parameters: list[Parameter], rng: np.random.Generator) -> Setting:
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
