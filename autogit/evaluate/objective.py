"""What is compared: one number for each run, its score, where larger is better; and guards that go first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autogit.config.model import Config, Direction
from autogit.evaluate.curve import LARGEST
from autogit.evaluate.noise import Score

LIMIT = math.log(1000)
"""Where a log ratio ends: a thousandfold, and what has no ratio at all (zero, a changed sign), count as that."""


@dataclass(frozen=True, slots=True)
class Objective:
    """How the metrics of a run become one number."""

    name: str
    """As it is called in reasons: the primary metric, or "composite"."""
    direction: Direction
    """Of `name` as it is shown: a composite is better when it is larger."""
    score: Score

    def shown(self, score: float) -> float:
        """A score in the units of `name`."""
        return -score if self.direction == "min" else score


def objective(config: Config, reference: Mapping[str, float]) -> Objective:
    """What `config` compares. `reference` is the first baseline's means, to which a composite is relative."""
    metric = config.metric
    if metric.objective == "primary":
        sign = _sign(metric.direction)
        return Objective(metric.name, metric.direction, lambda metrics: _signed(metrics.get(metric.name), sign))
    weights = weighed(config)
    return Objective("composite", "max", lambda metrics: composite(metrics, reference, weights))


def weighed(config: Config) -> dict[str, float]:
    """Metric -> weight with the sign of its direction, of all that the composite is made of."""
    metric = config.metric
    weights = {name: second.weight * _sign(second.direction) for name, second in config.metrics.items()}
    primary = config.metrics[metric.name].weight if metric.name in config.metrics else 1.0
    weights[metric.name] = primary * _sign(metric.direction)
    return {name: weight for name, weight in weights.items() if weight}


def composite(
    metrics: Mapping[str, float], reference: Mapping[str, float], weights: Mapping[str, float]
) -> float | None:
    """The weighted mean of log ratios to `reference`, 0 for the reference itself; None where a metric is missing.

    Weights are signed: negative where smaller is better. No unit plays a part, only ratios do.
    """
    if not all(name in metrics and name in reference for name in weights):
        return None
    total = math.fsum(abs(weight) for weight in weights.values())
    parts = (weight * log_ratio(metrics[name], reference[name]) for name, weight in weights.items())
    return math.fsum(parts) / total if total else 0.0


def log_ratio(value: float, reference: float) -> float:
    """log(value / reference), continued so that it rises with `value` for every reference and is never infinite.

    Below zero the ratio of sizes counts the other way round; where there is none (one is zero, the signs differ) it is
    a thousandfold up or down, or 0 where both are the same.
    """
    if value == reference:
        return 0.0
    if not (min(value, reference) > 0 or max(value, reference) < 0):
        return math.copysign(LIMIT, value - reference)
    ratio = math.log(abs(value)) - math.log(abs(reference))
    return max(-LIMIT, min(LIMIT, math.copysign(1, reference) * ratio))


def unreported(config: Config, metrics: Mapping[str, float]) -> str:
    """Which metric is guarded or weighed and is not among `metrics`, as a sentence; empty if none."""
    weighty = weighed(config) if config.metric.objective == "composite" else {}
    for name, second in config.metrics.items():
        guarded = second.max is not None or second.min is not None
        if name not in metrics and (guarded or name in weighty):
            use = "is guarded" if guarded else "has a weight"
            return f"{name} {use} in [metrics] and was not reported: print it, or take it out of [metrics]"
    return ""


def broken_guard(config: Config, metrics: Mapping[str, float]) -> str:
    """Which guard the metrics break, as a sentence; empty where none. A guarded metric that is missing breaks it."""
    for name, second in config.metrics.items():
        if second.max is None and second.min is None:
            continue
        value = metrics.get(name)
        if value is None:
            return f"{name} is guarded and was not reported"
        if second.max is not None and not value <= second.max:
            return f"{name} {value:.5g} is above its guard, at most {second.max:.5g}"
        if second.min is not None and not value >= second.min:
            return f"{name} {value:.5g} is below its guard, at least {second.min:.5g}"
    return ""


def _sign(direction: Direction) -> int:
    return -1 if direction == "min" else 1


def _signed(value: float | None, sign: int) -> float | None:
    return None if value is None or not abs(value) <= LARGEST else sign * value
