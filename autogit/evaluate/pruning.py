"""Stops a run that cannot plausibly win, by comparing it with the incumbent's run of the same seed.

Two runs of one seed share their batches and most of their initial weights, so their difference tells far more than
either loss alone; a rule that compares a candidate with the population of earlier trials (median, successive halving)
mistakes the seed's luck for the change's worth. The gap is looked at in units of what two seeds of unchanged code
differ by. To win takes more than to draw level: a run that ends no further ahead than the race asks for after one pair
is dropped there. With enough completed trials the yardstick is what gaps have really done between then and the end:
split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). A gap that
closes fast enough to be gone by the end stops nobody: a slow start is not a loss. How the numbers were chosen, and what
they cost on runs that took no part in that, is in docs/executor.md.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, correlation, median, pvariance
from typing import Protocol

from autogit.config.model import Config
from autogit.diff import grown_by
from autogit.evaluate.curve import final
from autogit.evaluate.lines import normalised
from autogit.evaluate.noise import ON_A_LINE, noise
from autogit.evaluate.objective import objective
from autogit.evaluate.rules import RaceRule, rule_of
from autogit.evaluate.stack import GUESSED_DOF, GUESSED_SHARE
from autogit.history import History
from autogit.protocols import Halt
from autogit.records import Curve, Record, RunStatus, Trial

EARLIEST = 0.2
"""Share of a run before which nothing is stopped: losses do not yet rank like final ones."""
LEVEL = 0.4
"""From here on a run has to lead."""
HALF = 0.5
"""A changed schedule is judged from here on only."""
BEHIND = 2.0
"""How many units of noise a gap has to be at the earliest, falling evenly until LEVEL."""
CLOSING_SHARE = 0.2
"""Share of the steps so far over which a gap is seen to close."""
MEDIAN_POINTS = 3
"""Reported losses that a gap is the median of: one spike is no trend."""
BAD_CHECKS = 2
"""Reports in a row that have to look hopeless before a run is stopped."""
CONFIDENCE = 0.95
"""The default of the one knob: how sure to be that a stopped run would have lost."""

MIN_CALIBRATION_TRIALS = 12
"""Completed trials after which the rule is calibrated by what their gaps did."""
MAX_TRIALS_READ = 40
"""Trials, the latest first, whose curves are looked at: reading them must not take longer the more there are."""
SPARED_EVERY = 10
"""One stop in so many is allowed to finish, to see what the rule costs."""
COMMENT = re.compile(r"(?<=[\s+-])#.*")
SCHEDULE = re.compile(
    r"[+-](?![+-]{2}).*(?:schedul|warm_?up|(?<!weight_)(?<!ema_)decay|learning_rate_at|\bget_lr\b)", re.I
)
APART = re.compile(
    r"^[+-](?![+-]{2}).*(?:loss|cross_entropy|criterion|smooth|dropout|drop_?path|decay|regular|penalt|\bl[12]\b|clip|augment"
    r"|mixup|cutmix|noise|label|batch|data|sampl|shuffle|transform|hidden|width|depth|layer|channel|head|embd|embed|dim\b"
    r"|_dim|size|units|neurons|rank|expert|norm)",
    re.I | re.M,
)
"""Changes that can move a training loss and the metric apart: regularisation, loss, data, batch, size of the model."""
WARM_UP = re.compile(r"^\s*\w*warm_?up\w*\s*(?::[^=\n]*)?=\s*([0-9][0-9_]*(?:\.\d*)?)\s*(?:#.*)?$", re.I | re.M)
MONITOR = "monitor_loss"
"""A curve of this name is measured in a way that a proposal does not redefine."""
MIN_RANKED_TRIALS = 10
"""Finished trials from which a rank correlation is believed."""
MIN_RANK_CORRELATION = 0.8
"""From here on a training loss is held to rank trials as the metric does."""
FLATTERY = 4.0
"""By how many times more noises than its metric an incumbent's curve may have got better than what it replaced."""
MIN_CONTRADICTIONS = 2
"""Later runs that were behind an incumbent by their curves and ahead by the metric, before its curve is distrusted."""


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
        steps, values = self.curve.steps, self.curve.values
        right = bisect_left(steps, step)
        if steps[right] == step:
            return values[right]
        weight = (step - steps[right - 1]) / (steps[right] - steps[right - 1])
        return values[right - 1] + weight * (values[right] - values[right - 1])


def gap(candidate: Course, reference: Course, share: float) -> float | None:
    """How much higher the candidate's loss is, over its last few points up to `share`; None where they do not meet."""
    steps, values = candidate.curve.steps, candidate.curve.values
    end = bisect_right(steps, share * candidate.total)
    others = [
        (values[place], reference.at(steps[place] / candidate.total))
        for place in range(max(0, end - MEDIAN_POINTS), end)
    ]
    return _middle([None if other is None else value - other for value, other in others])


def _middle(differences: Sequence[float | None]) -> float | None:
    known = [difference for difference in differences if difference is not None]
    return median(known) if len(known) == MEDIAN_POINTS else None


def seed_noise(groups: Sequence[Sequence[Course]], share: float) -> float | None:
    """Standard deviation of the loss between seeds at `share` of a run.

    Each of `groups` holds runs of one commit with different seeds; pooled over them. None where no group has two.
    """
    total = dof = 0.0
    for group in groups:
        values = [value for course in group if (value := course.at(share)) is not None]
        if len(values) > 1:
            total += pvariance(values) * len(values)
            dof += len(values) - 1
    return math.sqrt(total / dof) if dof else None


@dataclass(frozen=True, slots=True)
class Ranking:
    """How far a monitored loss ranks trials as the metric does."""

    metric: str
    """The loss."""
    correlation: float
    """Spearman's, over the trials; 1 if both rank them alike."""
    trials: int

    @property
    def holds(self) -> bool:
        """Whether runs may be stopped by this loss."""
        return self.trials >= MIN_RANKED_TRIALS and self.correlation >= MIN_RANK_CORRELATION

    def __str__(self) -> str:
        word = "and stops runs" if self.holds else "and stops none"
        ranks = f"{self.metric} ranks {self.trials} trials as the metric does"
        return f"{ranks} with correlation {self.correlation:.2f}, {word}"


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
        spared: bool = False,
        lead: float = RaceRule.lead,
        rising: bool = False,
    ) -> None:
        """`total`: steps of the candidate's run. `sigma`: noise between seeds at a share of a run, None where unknown.

        `warmup_end`: the candidate's own, in steps. `spared`: let the run finish all the same; `halt` tells.
        `lead`: by how many units of noise a run has to be ahead to win. `rising`: whether what is reported is better
        when it is larger; `reference` falls in any case.
        """
        self.metric = reference.curve.metric
        """What the run has to report."""
        self._rising = rising
        self._reference = reference
        self._total = total
        self._sigma = sigma
        self._calibration = calibration or Calibration(())
        self._confidence = confidence
        self._earliest = max(HALF if schedule_changed else EARLIEST, warmup_end / total)
        self._spared = spared
        self._lead = lead
        self._step = 0
        self._differences: list[float | None] = []
        self._shares: list[float] = []
        self._gaps: list[float] = []
        self._bad = 0
        self.halt: Halt | None = None
        """The first verdict, also if the run was spared."""

    def check(self, step: int, loss: float, share: float | None = None) -> Halt | None:
        """Takes the loss reported at `step`, and says whether the run shall end.

        `share` of its budget that it has spent, where that is not told by its steps.
        """
        if not math.isfinite(loss) or step <= self._step:
            return None
        printed, loss = loss, -loss if self._rising else loss
        self._step, share = step, step / self._total if share is None else share
        other = self._reference.at(share)
        self._differences.append(None if other is None else loss - other)
        now = _middle(self._differences[-MEDIAN_POINTS:])
        if now is None or self.halt is not None:
            return None
        self._shares.append(share)
        self._gaps.append(now)
        if share < self._earliest or share >= 1.0:
            return None
        self._bad = self._bad + 1 if self._hopeless(now, share) else 0
        if self._bad < BAD_CHECKS:
            return None
        where = f"{now:.3g} behind" if now >= 0 else f"only {-now:.3g} ahead of"
        words = (
            f"{self.metric} {printed:.4g} at step {step} ({share:.0%}) is {where} the incumbent's with the same seed"
        )
        self.halt = Halt(RunStatus.PRUNED, words)
        return None if self._spared else self.halt

    def _hopeless(self, now: float, share: float) -> bool:
        sigma = self._sigma(share)
        # A curve that is the incumbent's to the last digit says nothing of a change that shows elsewhere.
        if sigma is None or not any(self._differences[-MEDIAN_POINTS:]):
            return False
        unit = math.sqrt(2) * sigma
        units = -self._lead + (BEHIND + self._lead) * max(0.0, (LEVEL - share) / (LEVEL - EARLIEST))
        # What is enough to win at the end: a slow start is no loss.
        enough = min(0.0, units) * unit
        if self._at_this_pace(now, share) <= enough:
            return False
        expected = self._calibration.least_final_gap(now, share, self._confidence)
        if expected is not None:
            return expected > enough
        # The default confidence adds nothing.
        more = NormalDist().inv_cdf(self._confidence) - NormalDist().inv_cdf(CONFIDENCE)
        return now > (units + more) * unit

    def _at_this_pace(self, now: float, share: float) -> float:
        """The gap at the end if it goes on to close as lately: by equal amounts while the steps double. Never more."""
        place = bisect_left(self._shares, (1 - CLOSING_SHARE) * share)
        then, before = self._shares[place], self._gaps[place]
        if then >= share or before <= now:
            return now
        return now - (before - now) * math.log(1 / share) / math.log(share / then)


# ---- with what the lab knows


class Past(Protocol):
    """What is asked of the ledger."""

    def diff(self, trial: str) -> str:
        """The change of a trial, open or closed, against its base."""

    def curves(self, trial: str) -> tuple[Curve, ...]:
        """The learning curves of a closed trial."""

    def files(self, commit: str) -> Mapping[str, str]:
        """The editable text files of a commit."""


class PrunerMaker:
    """Makes the pruner of a run from the curves in the ledger."""

    def __init__(self, config: Config, past: Past, history: History) -> None:
        self._confidence = config.prune.confidence
        self._accept = config.accept
        self._rule = rule_of(config)
        self._past = past
        self._history = history
        self._primary = normalised(config.metric.name)
        self._rising = config.metric.direction == "max"
        self._score = objective(config, {}).score if config.metric.objective == "primary" else _none
        self._curves: dict[tuple[str, str], tuple[Curve, ...]] = {}

    def __call__(self, trial: Trial, seed: int, incumbent: Record, steps: int | None) -> Pruner | None:
        """Returns the pruner of a trial's first run, or None if nothing may end it but divergence.

        `steps` is the candidate's own budget, None if nobody knows how many its time is worth: then the
        incumbent's last step stands for it.
        """
        reference = self._course(incumbent, seed)
        if self._confidence == 0 or reference is None:
            return None
        diff = self._past.diff(trial.id)
        if not self._tells(reference.curve.metric, diff) or self._flattered(incumbent, reference.curve.metric):
            return None
        pairs, total = self._pairs(), steps or reference.total
        return Pruner(
            reference,
            total,
            self._noise(),
            Calibration(pairs) if len(pairs) >= MIN_CALIBRATION_TRIALS else None,
            self._confidence,
            warmup_end=warm_up(self._past.files(trial.commit), total),
            schedule_changed=reshaped(diff),
            spared=trial.number % SPARED_EVERY == 0,
            lead=self._lead(diff),
            rising=self._rising and reference.curve.metric == self._primary,
        )

    def ranking(self) -> Ranking | None:
        """Returns how finished trials rank by the end of their curves and by the metric; None if there is no curve."""
        found = []
        for record in self._history.compared()[-MAX_TRIALS_READ:]:
            for run in record.runs[:1]:
                course, score = self._course(record, run.seed), self._score(run.metrics)
                if course is not None and score is not None:
                    found.append((course, -score))
        if not found or found[-1][0].curve.metric == self._primary:
            return None
        name = found[-1][0].curve.metric
        alike = [(final(course.curve), score) for course, score in found if course.curve.metric == name]
        return Ranking(name, rank_correlation(*zip(*alike, strict=True)), len(alike))

    def _tells(self, series: str, diff: str) -> bool:
        """Whether a series tells of the metric for this change: the metric itself, a declared monitor, or a training
        loss that has been seen to rank as the metric does, if the change leaves alone what parts the two."""
        if series in (self._primary, MONITOR):
            return True
        ranking = None if APART.search(diff) else self.ranking()
        return ranking is not None and ranking.metric == series and ranking.holds

    def _flattered(self, incumbent: Record, series: str) -> bool:
        """Whether an incumbent's curve says more than its metric bears out: against what it replaced, or against the
        later runs that were held against it."""
        if series == self._primary:
            return False
        base = None if incumbent.trial.is_baseline else self._history.at(incumbent.trial.base)
        measured = noise(self._history.compared(), self._score)
        spread = self._noise()(1.0)
        if base is not None and measured is not None and measured.sd > 0 and spread:
            for ahead, gained in self._leads(incumbent, base):
                by_curve = ahead / (math.sqrt(2) * spread)
                if by_curve > FLATTERY * max(1.0, gained / measured.sd):
                    return True
        behind = [
            gained
            for record in self._history.on(incumbent.trial.commit)[-MAX_TRIALS_READ:]
            for ahead, gained in self._leads(record, incumbent)[:1]
            if ahead < 0
        ]
        better = sum(gained > 0 for gained in behind)
        return better >= MIN_CONTRADICTIONS and 2 * better > len(behind)

    def _leads(self, record: Record, other: Record) -> list[tuple[float, float]]:
        """(lead by the end of the curve, lead by the metric) of a record over another, for each seed of both."""
        found = []
        for run in record.runs:
            theirs = other.run(run.seed)
            own, reference = self._course(record, run.seed), self._course(other, run.seed)
            scores = self._score(run.metrics), None if theirs is None else self._score(theirs.metrics)
            if own is None or reference is None or scores[0] is None or scores[1] is None:
                continue
            if own.curve.metric == reference.curve.metric:
                found.append((final(reference.curve) - final(own.curve), scores[0] - scores[1]))
        return found

    def _lead(self, diff: str) -> float:
        """What a change has to lead by, in units of noise; one that removes code may be behind by what it may cost."""
        if grown_by(diff) < 0 and self._accept.margin > 0:
            return -self._accept.margin
        return self._rule.lead

    def _pairs(self) -> tuple[tuple[Course, Course], ...]:
        """(candidate, its incumbent) of the same seed, of recent trials that ran to their end."""
        found = []
        for record in self._history.compared()[-MAX_TRIALS_READ:]:
            incumbent = None if record.trial.is_baseline else self._history.at(record.trial.base)
            for run in record.runs if incumbent else ():
                own, other = self._course(record, run.seed), self._course(incumbent, run.seed) if incumbent else None
                if own is not None and other is not None:
                    found.append((own, other))
                    break
        return tuple(found)

    def _noise(self) -> Callable[[float], float | None]:
        """Noise between seeds at a share of a run, from the repeats of accepted trials."""
        accepted = [record for record in self._history.compared() if record.verdict in ON_A_LINE][-MAX_TRIALS_READ:]
        groups = [
            [course for run in record.runs if (course := self._course(record, run.seed)) is not None]
            for record in accepted
        ]
        if not self._rule.guesses_noise or self._history.baseline is None:
            return lambda share: seed_noise(groups, share)
        level = self._history.value(self._history.baseline)
        guess = GUESSED_SHARE * (abs(level) if level else 1.0)
        dof = sum(max(0, len(group) - 1) for group in groups)

        def measured_beside_guess(share: float) -> float:
            found = seed_noise(groups, share)
            if found is None:
                return guess
            return math.sqrt((GUESSED_DOF * guess**2 + dof * found**2) / (GUESSED_DOF + dof))

        return measured_beside_guess

    def _course(self, record: Record, seed: int) -> Course | None:
        """The whole curve of a run that counts."""
        run = record.run(seed)
        if run is None or not run.status.counts or not run.step:
            return None
        key = (record.id, f"{record.closed}/{len(record.runs)}")
        if key not in self._curves:
            self._curves[key] = self._past.curves(record.id)
        curve = next((c for c in self._curves[key] if c.seed == seed and len(c.steps) > 1), None)
        if curve is None:
            return None
        if self._rising and curve.metric == self._primary:
            # Courses fall as they get better.
            curve = replace(curve, values=tuple(-value for value in curve.values))
        return Course(curve, run.step)


def _none(metrics: Mapping[str, float]) -> float | None:
    """A composite has no series of its own, and no loss ranks as it does."""
    return None


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns Spearman's rank correlation, equal values sharing their ranks; 0 if one of them does not vary."""
    ranks = []
    for values in (a, b):
        ordered = sorted(values)
        ranks.append([(bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 for value in values])
    if min(len(set(values)) for values in ranks) < 2:
        return 0.0
    return correlation(*ranks)


def reshaped(diff: str) -> bool:
    """Whether a diff changes the shape of the schedule. What comments say, and how long the warm-up is, is not that."""
    lines = (COMMENT.sub("", line) for line in diff.splitlines())
    return any(SCHEDULE.match(line) and not WARM_UP.match(line[1:]) for line in lines)


def warm_up(files: Mapping[str, str], total: int) -> int:
    """The step at which a run of `total` steps ends its warm-up, by the longest that the code has as a constant.

    A number below 1 is a share of the run. 0 where there is none.
    """
    found = [float(number) for text in files.values() for number in WARM_UP.findall(text)]
    return max((round(n * total if n < 1 else n) for n in found), default=0)
