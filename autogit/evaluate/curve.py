"""What a learning curve tells: stability, early trend, how fast it got somewhere. Functions from values to values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autogit.records import Curve

LARGEST = 1e100
"""A loss or a metric beyond it is as little a result as infinity: its squares and sums have no number any more."""
EARLY = 0.2
"""The share of the steps whose slope is the early trend."""
TAIL = 0.1
"""The share of the points that one smoothed value is the mean of."""
FEWEST = 4
"""Points below which a curve tells nothing."""
HALF_STABLE = 0.1
"""The roughness, relative to level and movement, at which stability is one half."""
PATIENCE = 10
"""Reports in a row that have to lie beyond the bound before a loss has exploded; a spike that recovers is shorter."""


def stability(curve: Curve) -> float | None:
    """How smoothly training went: 1 is a curve without a kink, 0.5 one that is off by a tenth at every point.

    Roughness is the root mean square distance of each point from the straight line between its neighbours (so that a
    steep but steady fall is smooth), relative to the curve's level plus its range: the same loss in another unit is as
    stable. None where there are too few points to tell.
    """
    if len(curve.values) < FEWEST:
        return None
    x, y = np.asarray(curve.steps, float), np.asarray(curve.values)
    between = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    expected = y[:-2] + (y[2:] - y[:-2]) * between
    # The variance of white noise about that line is larger than the noise's own; at even steps by one half.
    spread = np.sqrt(1 + between**2 + (1 - between) ** 2)
    scale = float(np.median(np.abs(y)) + np.ptp(np.quantile(y, [0.05, 0.95])))
    if scale == 0:
        return 1.0 if not y.any() else 0.0
    residuals = (y[1:-1] - expected) / scale / spread
    # `hypot` does not overflow, whatever was printed.
    roughness = math.hypot(*residuals) / math.sqrt(len(residuals))
    return 1 / (1 + roughness / HALF_STABLE)


def early_trend(curve: Curve) -> float | None:
    """Least-squares slope over the first fifth of the steps, in loss per step; negative while it falls."""
    if len(curve.values) < FEWEST:
        return None
    first, last = curve.steps[0], curve.steps[-1]
    count = max(3, sum(step <= first + EARLY * (last - first) for step in curve.steps))
    x, y = np.asarray(curve.steps[:count], float), np.asarray(curve.values[:count])
    x = x - x.mean()
    slope = float(np.sum(x / np.sum(x * x) * y))
    return slope if math.isfinite(slope) else None


def final(curve: Curve) -> float:
    """The loss at the end: the mean of the last tenth of the points, of which there is at least one."""
    return _smoothed(curve.values)[-1]


def steps_to(curve: Curve, level: float) -> int | None:
    """The first step at which the smoothed loss is at `level` or below it; None where it never got there."""
    return next(
        (step for step, value in zip(curve.steps, _smoothed(curve.values), strict=True) if value <= level), None
    )


def exploded(values: Sequence[float]) -> bool:
    """Whether a loss has left for good: its last ten reports all lie far above where it began.

    Far is three times the highest of the first ten, or what it fell since then as much again on top, whichever is more.
    """
    if len(values) < 2 * PATIENCE:
        return False
    top = max(values[:PATIENCE])
    if values[-1] <= top:
        return False
    return min(values[-PATIENCE:]) > top + 2 * max(abs(top), top - min(values))


def _smoothed(values: Sequence[float]) -> list[float]:
    width = max(1, round(TAIL * len(values)))
    return [_mean(values[max(0, i - width + 1) : i + 1]) for i in range(len(values))]


def _mean(values: Sequence[float]) -> float:
    # Divided first: the sum of large numbers must not overflow.
    return math.fsum(value / len(values) for value in values)
