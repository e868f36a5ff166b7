"""The sequential race: after each pair of runs a candidate is dropped, accepted or given another seed.

With k paired differences of mean d and standard deviation s, z_k = d sqrt(k) / s. The candidate is dropped where z_k
is below `drop[k]`, accepted where it is above `accept[k]`; at the last pair both are the same. The shape is fixed,

    drop[k] = c (k / K) ** RISE        accept[k] = EARLY c  for k < K,  c at k = K

and c is the one number that makes a change that does nothing pass with probability 1 - confidence exactly, found by
integrating the density of the running sum from pair to pair (Armitage, McPherson and Rowe 1969, JRSS A 132).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RISE = 0.63
EARLY = 1.3
_GRID = 160
_erfc = np.vectorize(math.erfc, otypes=[float])


class Step(Enum):
    """What to do with a candidate after a pair."""

    DROP = "drop"
    GO_ON = "go on"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Race:
    """The bounds of z after 1, 2, ... pairs."""

    drop: tuple[float, ...]
    accept: tuple[float, ...]

    @property
    def pairs(self) -> int:
        """The most pairs that a candidate gets."""
        return len(self.drop)

    def step(self, z: float, pairs: int) -> Step:
        """What follows from `z` after `pairs` (from 1)."""
        if z > self.accept[pairs - 1]:
            return Step.ACCEPT
        # Not below the last bound is not above it either: NaN, too, is dropped.
        return Step.GO_ON if pairs < self.pairs and z >= self.drop[pairs - 1] else Step.DROP


@lru_cache
def race(confidence: float, pairs: int) -> Race:
    """The race of at most `pairs` pairs in which a change that does nothing passes with probability 1 - `confidence`.

    Several looks with bounds at zero let fewer than half pass (0.375 of five); a lower confidence gives those bounds.
    """
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        if pass_rate(bounds(middle, pairs)) > 1 - confidence:
            low = middle
        else:
            high = middle
    return bounds(high, pairs)


def bounds(last: float, pairs: int) -> Race:
    """The race whose bound at the last pair is `last`."""
    drop = tuple(last * ((k + 1) / pairs) ** RISE for k in range(pairs))
    return Race(drop, (*(EARLY * last,) * (pairs - 1), last))


def pass_rate(race: Race, effect: float = 0.0) -> float:
    """The probability that a change of true size `effect` (in standard deviations of a paired difference) passes."""
    accepted = 0.0
    sums: NDArray[np.floating] = np.zeros(1)
    mass: NDArray[np.floating] = np.ones(1)
    for k, (drop, accept) in enumerate(zip(race.drop, race.accept, strict=True), 1):
        root = math.sqrt(k)
        accepted += float(mass @ _erfc((accept * root - sums - effect) / math.sqrt(2))) / 2
        if k == race.pairs:
            break
        top = min(accept * root, k * effect + 8 * root)
        step = (top - drop * root) / _GRID
        if step <= 0:
            break
        grid = drop * root + step * (np.arange(_GRID) + 0.5)
        density = np.exp(-np.square(grid[:, None] - sums[None, :] - effect) / 2) / math.sqrt(2 * math.pi)
        sums, mass = grid, step * (density @ mass)
    return accepted
