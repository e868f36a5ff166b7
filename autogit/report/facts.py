"""What a report is made of: all that a lab knows, gathered once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from autogit.config.model import Config
from autogit.history import History
from autogit.records import Curve, Record

LARGEST = 1e150
"""Shown gains end here, so that differences of them stay finite."""
SMALLEST = 1e-150


class Interval(Protocol):
    """An estimate with its 95% interval, in the unit of what is compared."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Audited:
    """The primary metric on the audit data."""

    baseline: float | None
    """None if the baseline was not audited."""
    best: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the page, the pictures and the texts tell."""

    lab: str
    """Whose report it is: the workspace's folder name."""
    folder: str
    """The workspace's path."""
    made: str
    """When it was made (UTC)."""
    config: Config
    history: History
    gain: Interval | None = None
    """What all accepted changes gained together on fresh seeds; None if that was not measured."""
    noise: float | None = None
    """Standard deviation of a difference between two runs, in the metric's unit."""
    audited: Audited | None = None
    audit: str = ""
    """The audit of the best in words."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """Each parameter's share in what made trials good."""
    diffs: Mapping[str, str] = field(default_factory=dict)
    """The diff of each accepted change, by the trial's id."""
    curves: Mapping[str, Sequence[Curve]] = field(default_factory=dict)
    """The learning curves of each trial, by its id."""
    luck: Sequence[str] = ()
    """How often the rule took luck for progress, a sentence for each way to know."""
    spent: str = ""
    """What models and agents have cost, in words."""
    cost: float | None = None

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return self.config.metric.name

    @property
    def measured_by(self) -> str:
        """Who says what the metric is."""
        if self.config.evaluate.command:
            return "measured by the protected evaluator"
        return "what the training script says of itself (self-reported)"

    @property
    def scale(self) -> float:
        """What a gain in the metric's unit is multiplied with to be shown: to percent of the first baseline."""
        return 100 / abs(self._reference) if self._reference else 1.0

    @property
    def unit(self) -> str:
        """The unit of shown gains: percent, but for a baseline of 0."""
        return "%" if self._reference else f" {self.metric}"

    @property
    def _reference(self) -> float | None:
        """The baseline's value; None if it is so small that percentages of it say nothing."""
        value = self.history.value(self.history.baseline) if self.history.baseline else None
        return value if value is not None and abs(value) > SMALLEST else None

    def gained(self, record: Record) -> float | None:
        """How much better than the first baseline, in the shown unit, by the seeds that were shared on the way."""
        return self._shown(self.history.gained(record))

    def effect(self, record: Record) -> float | None:
        """How much better than what it had to beat, on shared seeds, in the shown unit."""
        return self._shown(self.history.effect(record))

    def _shown(self, value: float | None) -> float | None:
        return None if value is None else max(-LARGEST, min(LARGEST, value * self.scale))

    def gpu_hours(self) -> float:
        """Hours of training times the GPUs that it had."""
        return math.fsum(r.seconds * float(r.environment.get("gpus", 0)) for r in self.history) / 3600

    def best(self) -> Record | None:
        """The incumbent."""
        return self.history.best()
