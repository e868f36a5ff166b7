"""Values of a domain: drawn at random, one step away, or brought into it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autogit.config.space import Choice, Domain, Range
from autogit.propose.search.parameters import same
from autogit.records import Value


def draw(domain: Domain, rng: np.random.Generator) -> Value:
    """A value from all over the domain; uniform in the logarithm where the range says `log`."""
    if isinstance(domain, Choice):
        return domain.values[int(rng.integers(len(domain.values)))]
    return _unscaled(domain, _scale(domain, domain.low) + rng.random() * _width(domain))


def near(domain: Domain, value: Value | None, rng: np.random.Generator, reach: float = 1.0) -> Value:
    """A value close to `value`: a neighbour among listed ones, else within `reach` quarters of the range.

    A value that is not in the domain has no neighbours: then from all over it.
    """
    if isinstance(domain, Choice):
        ordered = ordinal(domain)
        at = next((i for i, each in enumerate(ordered or ()) if same(each, value)), None)
        if ordered is None or at is None:
            return draw(domain, rng)
        steps = [i for i in (at - 1, at + 1) if 0 <= i < len(ordered)]
        return ordered[steps[int(rng.integers(len(steps)))]]
    if not isinstance(value, int | float) or isinstance(value, bool) or (domain.log and value <= 0):
        return draw(domain, rng)
    return _unscaled(domain, _scale(domain, value) + float(rng.uniform(-1, 1)) * reach * _width(domain) / 4)


def stepped(domain: Range, value: Value | None, share: float) -> Value:
    """The value that lies a share of the range beyond `value`, inside the range."""
    number = float(value) if isinstance(value, int | float) and (value > 0 or not domain.log) else domain.low
    moved = _unscaled(domain, _scale(domain, number) + share * _width(domain))
    if not domain.integer or not same(moved, value):
        return moved
    return brought(domain, number + math.copysign(domain.step or 1, share))


def at_share(domain: Range, share: float) -> float:
    """The number that lies at a share (0 to 1) of the range."""
    scaled = _scale(domain, domain.low) + share * _width(domain)
    return math.exp(scaled) if domain.log else scaled


def share_at(domain: Range, value: Value | None) -> float:
    """At which share of the range (0 to 1) `value` lies; the middle for what is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or (domain.log and value <= 0):
        return 0.5
    return min(max((_scale(domain, value) - _scale(domain, domain.low)) / _width(domain), 0.0), 1.0)


def distance(domain: Domain, a: Value | None, b: Value | None) -> float:
    """How far apart two values are, as a share of the range; listed values are 0 apart or 1."""
    if isinstance(domain, Choice) or not (_inside(domain, a) and _inside(domain, b)):
        return 0.0 if same(a, b) else 1.0
    assert isinstance(a, int | float) and isinstance(b, int | float)
    return abs(_scale(domain, a) - _scale(domain, b)) / _width(domain)


def ordinal(domain: Choice) -> tuple[Value, ...] | None:
    """The listed values in order, if all are numbers; else None."""
    numbers = [v for v in domain.values if isinstance(v, int | float) and not isinstance(v, bool)]
    return tuple(sorted(numbers)) if len(numbers) == len(domain.values) else None


def holds(domain: Domain, value: Value | None) -> bool:
    """Whether `value` is in the domain."""
    if isinstance(domain, Choice):
        return any(same(each, value) for each in domain.values)
    return _inside(domain, value)


def _inside(domain: Range, value: Value | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and domain.low <= value <= domain.high


def every(domain: Domain, most: int = 1000) -> Iterator[Value]:
    """All values of a domain that has finitely many (a list, whole numbers, steps), at most `most` of them."""
    if isinstance(domain, Choice):
        yield from domain.values
        return
    step = domain.step if domain.step is not None else (1 if domain.integer else None)
    if step is None:
        return
    for i in range(min(most, int((domain.high - domain.low) / step + 1e-9) + 1)):
        yield _exact(domain, domain.low + i * step)


def brought(domain: Range, raw: float) -> Value:
    """`raw` as a person would write it: on the step, whole, or to a hundredth of the range; always inside."""
    raw = min(max(raw, domain.low), domain.high)
    if domain.step is not None:
        return _exact(domain, domain.low + round((raw - domain.low) / domain.step) * domain.step)
    if domain.integer:
        return _exact(domain, round(raw))
    return _exact(domain, float(f"{raw:.2g}") if domain.log else round(raw, math.floor(2 - math.log10(_width(domain)))))


def _unscaled(domain: Range, scaled: float) -> Value:
    return brought(domain, math.exp(min(scaled, _scale(domain, domain.high))) if domain.log else scaled)


def _exact(domain: Range, number: float) -> Value:
    while number > domain.high and domain.step is not None:
        number -= domain.step
    number = min(max(float(f"{number:.12g}"), domain.low), domain.high)
    return int(number) if domain.integer else float(number)


def _scale(domain: Range, number: float) -> float:
    return math.log(number) if domain.log else float(number)


def _width(domain: Range) -> float:
    return _scale(domain, domain.high) - _scale(domain, domain.low)
