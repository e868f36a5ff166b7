"""How much a result moves by luck: the standard deviation of a paired difference, measured from repeated runs.

Scores are numbers where larger is better; a difference is the candidate's score minus the incumbent's, same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autogit.records import Record, Run, Verdict

Score = Callable[[Mapping[str, float]], float | None]
"""A run's metrics -> its score, larger is better; None where a metric is missing."""

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


ON_A_LINE = (Verdict.ACCEPTED, Verdict.KEPT, Verdict.UNPROVED)
"""Verdicts of trials that others were held against: their runs were repeated for that, whatever they showed."""
RATIOS = (1 / 6, 1 / 3, 2 / 3, 1.0)
"""What pairing may leave of the variance of two unrelated runs, before anything was seen of it: from what codes that
share their seeds leave (`PAIRING`) to all of it (GPU nondeterminism, scripts without a seed)."""
PRIOR = (0.2, 0.2, 0.2, 0.4)
"""How likely each of `RATIOS` is held to be before a candidate's own pairs tell."""
MAX_Z = 38.0
"""No deviate is larger: beyond it a normal tail is no number any more."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one paired difference and how well it is known."""

    sd: float
    dof: int
    """Degrees of freedom of `sd`."""
    paired: bool
    """Whether paired differences were measured; else `sd` is that of two unrelated runs, an upper bound."""
    parts: tuple[tuple[float, float, int], ...] = ()
    """(probability, standard deviation, degrees of freedom) if it is not settled how far pairing helps."""

    @property
    def deterministic(self) -> bool:
        return self.sd == 0

    def z(self, gain: float, pairs: int) -> float:
        """Returns the normal deviate that is as rare as a mean `gain` over `pairs` if there is none in truth."""
        t = gain * math.sqrt(pairs)
        if not self.parts:
            return normal_score(t / self.sd, self.dof)
        return _deviate(t, math.fsum(share * _tail(abs(t) / sd, dof) for share, sd, dof in self.parts))

    def scaled(self, unit: float) -> Noise:
        """Returns the same noise in another unit."""
        parts = tuple((share, sd * unit, dof) for share, sd, dof in self.parts)
        return Noise(self.sd * unit, self.dof, self.paired, parts)


def noise(
    records: Sequence[Record],
    score: Score,
    own: Sequence[Sequence[float]] = (),
    proofs: Sequence[Sequence[float]] = (),
) -> Noise | None:
    """Returns the noise after these records (oldest first) and a candidate's `own` differences, block by block.

    `proofs` holds the differences of earlier races of whole lines, race by race. None if nothing was repeated. The unit
    is the largest result: in it the squares of small differences do not vanish, nor do those of large ones grow beyond
    all numbers.
    """
    sizes = (abs(value) for record in records[-WINDOW:] for value in scores(record.runs, score).values())
    unit = max(sizes, default=1.0) or 1.0

    def shared(metrics: Mapping[str, float]) -> float | None:
        value = score(metrics)
        return None if value is None else value / unit

    def in_unit(groups: Sequence[Sequence[float]]) -> list[list[float]]:
        return [[difference / unit for difference in group] for group in groups]

    found = _noise(records, shared, in_unit(own), in_unit(proofs))
    return None if found is None else found.scaled(unit)


def _noise(
    records: Sequence[Record], score: Score, own: Sequence[Sequence[float]], proofs: Sequence[Sequence[float]]
) -> Noise | None:
    accepted = [record for record in records if record.verdict in ON_A_LINE]
    groups = [*paired_differences(records[-WINDOW:], accepted, score), *proofs]
    repeats = pooled([[*scores(r.runs, score).values()] for r in accepted[-WINDOW:]])
    return judged_from(repeats, groups, own)


def judged_from(
    repeats: tuple[float, int] | None, groups: Sequence[Sequence[float]], own: Sequence[Sequence[float]]
) -> Noise | None:
    """Returns the noise of a pair by the (spread, degrees of freedom) of repeated runs, by the paired differences of
    other trials, and by the candidate's own."""
    # Two independent runs differ by the square root of two more than one; pairing can only make it less.
    unrelated = None if repeats is None else Noise(math.sqrt(2) * repeats[0], repeats[1], paired=False)
    if len(groups) >= TRIALS:
        return moderated(groups, own)
    others, paired = pooled(groups), pooled([*groups, *own])
    if unrelated is None:
        return None if paired is None else Noise(*paired, paired=True)
    if paired is None or paired[1] < ENOUGH:
        return unrelated
    mine = pooled(own)
    if others is None and mine is not None and unrelated.sd > 0:
        return unsettled(unrelated, *mine)
    least = unrelated.sd**2 / PAIRING
    return _joined(max(others[0] ** 2 if others else 0.0, least), unrelated.dof, mine)


def unsettled(unrelated: Noise, sd: float, dof: int) -> Noise:
    """Returns the noise of a lab's first repeated candidate, whose own pairs differ by `sd`.

    Nobody has shown yet how far pairing helps here, and a spread of few pairs is easily small by luck. So each of
    `RATIOS` is weighed by how likely it makes this spread (the marginal likelihood of a normal sample whose variance is
    known from `unrelated.dof` degrees of freedom), and what the candidate's mean means is the mixture over them.
    """
    known, total = unrelated.dof, unrelated.dof + dof
    variances = [(known * ratio * unrelated.sd**2 + dof * sd**2) / total for ratio in RATIOS]
    # Up to what all of them share: r^(known / 2) / (known r U^2 + dof s^2)^(total / 2).
    logs = [
        math.log(share) + known / 2 * math.log(ratio) - total / 2 * math.log(variance)
        for share, ratio, variance in zip(PRIOR, RATIOS, variances, strict=True)
    ]
    weights = [math.exp(value - max(logs)) for value in logs]
    # The incumbent's runs are in both spreads: two estimates that are correlated by one half are worth less than two.
    worth = max(1, int(total**2 / (total + math.sqrt(known * dof))))
    parts = tuple(
        (weight / math.fsum(weights), math.sqrt(variance), worth)
        for weight, variance in zip(weights, variances, strict=True)
    )
    variance = math.fsum(weight * part**2 for weight, part, _ in parts)
    return Noise(math.sqrt(variance), worth, paired=True, parts=parts)


def moderated(groups: Sequence[Sequence[float]], own: Sequence[Sequence[float]]) -> Noise:
    """The noise of a candidate with its `own` differences, block by block, after those of other trials."""
    return _joined(*prior([spread for group in groups if (spread := pooled([group]))]), pooled(own))


def _joined(variance: float, worth: float, own: tuple[float, int] | None) -> Noise:
    """What other trials say, `variance` `worth` so many degrees of freedom, and what one's own pairs do."""
    sd, dof = own or (0.0, 0)
    total = worth + dof
    return Noise(math.sqrt((worth * variance + dof * sd * sd) / total), max(1, int(total)), paired=True)


def prior(known: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(typical variance, degrees of freedom that it is worth for one more trial) of trials' spreads.

    `known` holds (standard deviation, degrees of freedom). Trials differ in their noise: weight decay moves every seed
    alike, another activation does not. How much they differ says how much the others are worth for this one: the
    moderated t of Smyth 2004 (Statistical Applications in Genetics and Molecular Biology 3; there of genes), by the
    method of moments. Trials without any spread take part as the least that was seen.
    """
    from scipy.special import digamma, polygamma

    seen = [sd for sd, _ in known if sd > 0]
    most = float(sum(dof for _, dof in known))
    if not seen:
        return 0.0, most
    halves = np.array([dof / 2 for _, dof in known])
    logs = 2 * np.log([sd or min(seen) for sd, _ in known]) - digamma(halves) + np.log(halves)
    center = float(np.mean(logs))
    excess = float(np.mean((logs - center) ** 2) * len(known) / max(1, len(known) - 1) - np.mean(polygamma(1, halves)))
    if len(known) < 2 or excess <= 0:
        # As alike as one noise for all would make them.
        return math.fsum(dof * sd * sd for sd, dof in known) / most, most
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


def paired_differences(records: Sequence[Record], incumbents: Sequence[Record], score: Score) -> list[list[float]]:
    """For each trial that shares at least two seeds with the incumbent of its time: the differences, seed by seed."""
    of_commit = {record.trial.commit: record for record in incumbents}
    groups = []
    for record in records:
        base = of_commit.get(record.trial.base)
        # Equal code differs by less than changed code does: of two codes' noise a null change says nothing.
        if len(record.runs) < 2 or base is None or base is record or record.trial.is_null:
            continue
        mine, theirs = scores(record.runs, score), scores(base.runs, score)
        if len(group := [mine[seed] - theirs[seed] for seed in mine if seed in theirs]) > 1:
            groups.append(group)
    return groups


def scores(runs: Sequence[Run], score: Score) -> dict[int, float]:
    """Seed -> score of the runs that count and have one; the later run where a seed was repeated."""
    found = {run.seed: score(run.metrics) for run in runs if run.status.counts}
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
    dof = 0
    for group in groups:
        values = np.asarray(group)
        if len(values) > 1:
            dof += len(values) - 1
            residuals.extend((values - values.mean()) * math.sqrt(len(values) / (len(values) - 1)))
    if not dof:
        return None
    sizes = np.abs(residuals)
    # What rounding leaves of equal numbers is no noise.
    sizes[sizes < ROUNDING * max(abs(value) for group in groups for value in group)] = 0.0
    # More than half exact zeros say nothing about the scale of the rest.
    bound = OUTLIER * 1.4826 * float(np.median(sizes)) or math.inf
    return math.sqrt(float(np.mean(np.square(np.minimum(sizes, bound))))), dof


def normal_score(t: float, dof: int) -> float:
    """Returns the normal deviate that is as rare as Student's `t`: a z, if the noise is known from few repeats."""
    return _deviate(t, _tail(abs(t), dof))


def student_deviate(z: float, dof: int) -> float:
    """Returns the inverse of `normal_score`: the `t` that is as rare as `z`."""
    from scipy.special import ndtr, stdtrit

    return math.copysign(float(-stdtrit(dof, ndtr(-abs(z)))), z)


def _tail(t: float, dof: int) -> float:
    from scipy.special import stdtr

    return float(stdtr(dof, -t))


def _deviate(sign: float, tail: float) -> float:
    from scipy.special import ndtri

    return math.copysign(min(MAX_Z, float(-ndtri(tail))), sign)
