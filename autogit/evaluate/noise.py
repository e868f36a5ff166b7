"""How much a result moves by luck: the standard deviation of a paired difference, measured from repeated runs.

Merits are numbers where larger is better; a difference is the candidate's merit minus the incumbent's, same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autogit.records import Record, Run, Verdict

Merit = Callable[[Mapping[str, float]], float | None]
"""A run's metrics -> its merit, larger is better; None where a metric is missing."""

WINDOW = 200
"""The latest records that are looked at: noise changes as the incumbent does, and the cost of a trial stays flat."""
ENOUGH = 4
"""Degrees of freedom from which paired differences are believed; below, the runs of unchanged code bound them."""
TRIALS = 4
"""Repeated trials from which it is known how much trials differ in their noise. One that hardly changes anything tells
nothing of others, however often it is run; with fewer the noise is held to be at least what `PAIRING` leaves."""
PAIRING = 6.0
"""By how much pairing can be expected to reduce the variance of a difference between unlike codes."""
ROUNDING = 1e-12
"""Relative to the largest value: what is smaller comes from floating-point arithmetic."""
OUTLIER = 3.0
"""Residuals beyond so many robust standard deviations are drawn in: one wild trial must not blind the others."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one paired difference and how well it is known."""

    sd: float
    freedom: int
    """Degrees of freedom of `sd`."""
    paired: bool
    """Whether paired differences were measured; else `sd` is that of two unrelated runs, an upper bound."""

    @property
    def deterministic(self) -> bool:
        return self.sd == 0


def noise(records: Sequence[Record], merit: Merit, own: Sequence[Sequence[float]] = ()) -> Noise | None:
    """The noise after these records (oldest first) and a candidate's `own` differences, block by block.

    None where nothing was repeated.
    """
    unit = _unit(records, merit)
    measured = _noise(
        records, lambda m: None if (v := merit(m)) is None else v / unit, [[d / unit for d in g] for g in own]
    )
    return None if measured is None else Noise(measured.sd * unit, measured.freedom, measured.paired)


def _unit(records: Sequence[Record], merit: Merit) -> float:
    """The size of the largest result: in its unit, the squares of small differences do not vanish, nor those of large
    ones grow beyond all numbers."""
    sizes = (abs(value) for record in records[-WINDOW:] for value in merits(record.runs, merit).values())
    return max(sizes, default=1.0) or 1.0


def _noise(records: Sequence[Record], merit: Merit, own: Sequence[Sequence[float]]) -> Noise | None:
    accepted = [record for record in records if record.verdict is Verdict.ACCEPTED]
    groups = paired_differences(records[-WINDOW:], accepted, merit)
    repeats = pooled([[*merits(r.runs, merit).values()] for r in accepted[-WINDOW:]])
    # Two independent runs differ by the square root of two more than one; pairing can only make it less.
    unrelated = None if repeats is None else Noise(math.sqrt(2) * repeats[0], repeats[1], paired=False)
    if len(groups) >= TRIALS:
        return moderated(groups, own)
    others, paired = pooled(groups), pooled([*groups, *own])
    if unrelated is None:
        return None if paired is None else Noise(*paired, paired=True)
    if paired is None or paired[1] < ENOUGH:
        return unrelated
    least = unrelated.sd**2 / PAIRING
    return _joined(max(others[0] ** 2 if others else 0.0, least), unrelated.freedom, pooled(own))


def moderated(groups: Sequence[Sequence[float]], own: Sequence[Sequence[float]]) -> Noise:
    """The noise of a candidate with its `own` differences, block by block, after those of other trials."""
    return _joined(*prior([spread for group in groups if (spread := pooled([group]))]), pooled(own))


def _joined(variance: float, worth: float, own: tuple[float, int] | None) -> Noise:
    """What other trials say, `variance` `worth` so many degrees of freedom, and what one's own pairs do."""
    sd, freedom = own or (0.0, 0)
    total = worth + freedom
    return Noise(math.sqrt((worth * variance + freedom * sd * sd) / total), max(1, int(total)), paired=True)


def prior(known: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(typical variance, degrees of freedom that it is worth for one more trial) of trials' spreads.

    `known` holds (standard deviation, degrees of freedom). Trials differ in their noise: weight decay moves every seed
    alike, another activation does not. How much they differ says how much the others are worth for this one: the
    moderated t of Smyth 2004 (Statistical Applications in Genetics and Molecular Biology 3; there of genes), by the
    method of moments. Trials without any spread take part as the least that was seen.
    """
    from scipy.special import digamma, polygamma

    seen = [sd for sd, _ in known if sd > 0]
    most = float(sum(freedom for _, freedom in known))
    if not seen:
        return 0.0, most
    halves = np.array([freedom / 2 for _, freedom in known])
    logs = 2 * np.log([sd or min(seen) for sd, _ in known]) - digamma(halves) + np.log(halves)
    center = float(np.mean(logs))
    excess = float(np.mean((logs - center) ** 2) * len(known) / max(1, len(known) - 1) - np.mean(polygamma(1, halves)))
    if len(known) < 2 or excess <= 0:
        # As alike as one noise for all would make them.
        return math.fsum(freedom * sd * sd for sd, freedom in known) / most, most
    half = inverse_trigamma(excess)
    return math.exp(center + float(digamma(half)) - math.log(half)), min(2 * half, most)


def inverse_trigamma(value: float) -> float:
    """x > 0 with trigamma(x) = `value`, by Newton's steps on its reciprocal, which is convex."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        slope = float(polygamma(1, x))
        step = slope * (1 - slope / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x


def paired_differences(records: Sequence[Record], incumbents: Sequence[Record], merit: Merit) -> list[list[float]]:
    """For each trial that shares at least two seeds with the incumbent of its time: the differences, seed by seed."""
    of_commit = {record.trial.commit: record for record in incumbents}
    groups = []
    for record in records:
        base = of_commit.get(record.trial.base)
        # Equal code differs by less than changed code does: of two codes' noise a null change says nothing.
        if len(record.runs) < 2 or base is None or base is record or record.trial.is_null:
            continue
        mine, theirs = merits(record.runs, merit), merits(base.runs, merit)
        if len(group := [mine[seed] - theirs[seed] for seed in mine if seed in theirs]) > 1:
            groups.append(group)
    return groups


def merits(runs: Sequence[Run], merit: Merit) -> dict[int, float]:
    """Seed -> merit of the runs that count and have one; the later run where a seed was repeated."""
    found = {run.seed: merit(run.metrics) for run in runs if run.status.counts}
    return {seed: value for seed, value in found.items() if value is not None}


def means(runs: Iterable[Run]) -> dict[str, float]:
    """Each metric's mean over the runs that count and report it."""
    values: dict[str, list[float]] = {}
    for run in runs:
        if run.status.counts:
            for name, value in run.metrics.items():
                values.setdefault(name, []).append(value)
    # Divided first: the sum of large numbers must not overflow.
    return {name: math.fsum(value / len(found) for value in found) for name, found in values.items()}


def pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """(standard deviation, degrees of freedom) within groups that each have a mean of their own.

    Residuals are drawn in at three robust standard deviations (1.4826 times their median size). None without a repeat.
    """
    residuals = []
    freedom = 0
    for group in groups:
        values = np.asarray(group)
        if len(values) > 1:
            freedom += len(values) - 1
            residuals.extend((values - values.mean()) * math.sqrt(len(values) / (len(values) - 1)))
    if not freedom:
        return None
    sizes = np.abs(residuals)
    # What rounding leaves of equal numbers is no noise.
    sizes[sizes < ROUNDING * max(abs(value) for group in groups for value in group)] = 0.0
    # More than half exact zeros say nothing about the scale of the rest.
    bound = OUTLIER * 1.4826 * float(np.median(sizes)) or math.inf
    return math.sqrt(float(np.mean(np.square(np.minimum(sizes, bound))))), freedom


def normal_score(t: float, freedom: int) -> float:
    """The normal deviate that is as rare as Student's `t`: what a z is when the noise is known from few repeats.

    Wallace's approximation (1959, Annals of Mathematical Statistics 30), within 1% from three degrees of freedom on.
    """
    size = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.copysign(size, t)


def student_deviate(z: float, freedom: int) -> float:
    """The inverse of `normal_score`: the `t` that is as rare as `z`."""
    size = z * (8 * freedom + 3) / (8 * freedom + 1)
    return math.copysign(math.sqrt(freedom * math.expm1(size * size / freedom)), z)
