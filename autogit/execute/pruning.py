"""Stops a run that cannot plausibly win, by comparing it with the incumbent's run of the same seed.

Two runs of one seed share their batches and most of their initial weights, so their difference tells far more than
either loss alone; a rule that compares a candidate with the population of earlier trials (median, successive halving)
mistakes the seed's luck for the change's merit. The gap is looked at in units of what two seeds of unchanged code
differ by. With enough completed trials that yardstick is replaced by what gaps have really done between then and the
end: split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median, pvariance

import numpy as np

from autogit.protocols import Halt
from autogit.records import Curve, RunStatus

EARLIEST = 0.2
"""Share of a run before which nothing is stopped: losses do not yet rank like final ones."""
HALF = 0.5
"""From here on any gap counts; a changed schedule is judged from here only."""
POINTS = 3
"""Reported losses that a gap is the median of: one spike is no trend."""
BAD_CHECKS = 2
"""In a row."""
CONFIDENCE = 0.95
"""The default of the one knob: how sure to be that a stopped run would have lost."""


@dataclass(frozen=True, slots=True)
class Course:
    """A learning curve with the number of steps that the whole run has, so that curves compare at equal share of it."""

    curve: Curve
    total: int

    def at(self, share: float) -> float | None:
        """The loss at `share` of the run (0 to 1), between its points by a straight line; None outside of them."""
        step = share * self.total
        if not self.curve.steps or not self.curve.steps[0] <= step <= self.curve.steps[-1]:
            return None
        return float(np.interp(step, self.curve.steps, self.curve.values))


def gap(candidate: Course, reference: Course, share: float) -> float | None:
    """How much higher the candidate's loss is, over its last few points up to `share`; None where they do not meet."""
    points = [
        (step / candidate.total, value)
        for step, value in zip(candidate.curve.steps, candidate.curve.values, strict=True)
        if step <= share * candidate.total
    ][-POINTS:]
    differences = [value - other for own, value in points if (other := reference.at(own)) is not None]
    return median(differences) if len(differences) == POINTS else None


def seed_noise(groups: Sequence[Sequence[Course]], share: float) -> float | None:
    """Standard deviation of the loss between seeds at `share` of a run.

    Each of `groups` holds runs of one commit with different seeds; pooled over them. None where no group has two.
    """
    total = freedom = 0.0
    for group in groups:
        values = [value for course in group if (value := course.at(share)) is not None]
        if len(values) > 1:
            total += pvariance(values) * len(values)
            freedom += len(values) - 1
    return math.sqrt(total / freedom) if freedom else None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What gaps did until the end: (candidate, reference) of the same seed, for trials that ran to their end."""

    pairs: tuple[tuple[Course, Course], ...]

    def least_final_gap(self, now: float, share: float, confidence: float) -> float | None:
        """A gap that one of `now` at `share` will at the end exceed with probability `confidence`.

        None with too few pairs to say so: 19 are needed to be 95% sure.
        """
        changes = sorted(
            end - then
            for candidate, reference in self.pairs
            if (then := gap(candidate, reference, share)) is not None
            and (end := gap(candidate, reference, 1.0)) is not None
        )
        rank = math.floor((1 - confidence) * (len(changes) + 1) + 1e-9)
        return now + changes[rank - 1] if rank >= 1 else None


class Pruner:
    """Listens to one run. Made for a run whose incumbent was trained with the same seed.

    Not for a proposal that redefines the loss it reports: there only divergence may end a run.
    """

    def __init__(
        self,
        reference: Course,
        total: int,
        sigma: Callable[[float], float | None],
        calibration: Calibration | None = None,
        confidence: float = CONFIDENCE,
        warmup_end: int = 0,
        schedule_changed: bool = False,
        audit: bool = False,
    ) -> None:
        """`total`: steps of the candidate's run. `sigma`: noise between seeds at a share of a run, None where unknown.

        `warmup_end`: the candidate's own, in steps. `audit`: let the run finish all the same; `halt` tells.
        """
        self._reference = reference
        self._total = total
        self._sigma = sigma
        self._calibration = calibration or Calibration(())
        self._confidence = confidence
        self._earliest = max(HALF if schedule_changed else EARLIEST, warmup_end / total)
        self._audit = audit
        self._steps: list[int] = []
        self._values: list[float] = []
        self._bad = 0
        self.halt: Halt | None = None
        """The first verdict, also where an audit let the run go on."""

    def check(self, step: int, loss: float) -> Halt | None:
        """Takes the loss reported at `step`, and says whether the run shall end."""
        if not math.isfinite(loss) or (self._steps and step <= self._steps[-1]):
            return None
        self._steps.append(step)
        self._values.append(loss)
        share = step / self._total
        if share < self._earliest or share >= 1.0 or self.halt is not None:
            return None
        course = Course(Curve(0, "", tuple(self._steps), tuple(self._values)), self._total)
        now = gap(course, self._reference, share)
        if now is None:
            return None
        self._bad = self._bad + 1 if self._hopeless(now, share) else 0
        if self._bad < BAD_CHECKS:
            return None
        words = f"loss {loss:.4g} at step {step} ({share:.0%}) is {now:.3g} behind the incumbent's with the same seed"
        self.halt = Halt(RunStatus.PRUNED, words)
        return None if self._audit else self.halt

    def _hopeless(self, now: float, share: float) -> bool:
        expected = self._calibration.least_final_gap(now, share, self._confidence)
        if expected is not None:
            return expected > 0
        sigma = self._sigma(share)
        if sigma is None:
            return False
        # At the default confidence one unit of noise before half-way, none after it; surer asks for more of both.
        more = NormalDist().inv_cdf(self._confidence) - NormalDist().inv_cdf(CONFIDENCE)
        units = max(0.0, (1.0 if share < HALF else 0.0) + more)
        return now > units * math.sqrt(2) * sigma
