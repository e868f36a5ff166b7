"""Checks of the rule by what is known to be no progress: whatever passes was luck.

Free ones compare code with itself, by runs that were made anyway; null trials are made for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autogit.config.model import Config
from autogit.evaluate.noise import merits, normal_score, pooled
from autogit.evaluate.objective import objective
from autogit.evaluate.race import Race, Step, race
from autogit.history import History
from autogit.records import Verdict

JUDGED = (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.PRUNED)
"""Verdicts that the rule has had a word in; a crash is none."""
WILSON_Z = 1.959964
"""Of an interval that holds the true rate 95 times of 100."""


@dataclass(frozen=True, slots=True)
class NullChecks:
    """How often the rule accepted a comparison of code with itself, with the 95% interval of that rate."""

    trials: int
    fooled: int
    low: float
    high: float

    def __str__(self) -> str:
        return f"fooled {self.fooled} of {self.trials} times (95% interval {self.low:.0%} to {self.high:.0%})"


def null_checks(config: Config, history: History) -> NullChecks:
    """The rule applied to two halves of each incumbent's own runs: every second one plays the candidate.

    The runs that are paired have nothing in common but the code, so the noise is that of unrelated runs. Nothing to
    check where the rule is not a race or there is no noise.
    """
    baseline = history.baseline
    merit = objective(config, {} if baseline is None else baseline.metrics).merit
    groups = [list(merits(record.runs, merit).values()) for record in history if record.accepted]
    spread = pooled(groups)
    if spread is None or spread[0] == 0 or config.accept.rule != "race":
        return NullChecks(0, 0, *wilson(0, 0))
    halves = [[a - b for a, b in zip(group[::2], group[1::2], strict=False)] for group in groups]
    tried = [differences[: config.accept.seeds] for differences in halves if differences]
    sd, freedom = math.sqrt(2) * spread[0], spread[1]
    fooled = sum(passes(race(config.accept.confidence, len(d)), d, sd, freedom) for d in tried)
    return NullChecks(len(tried), fooled, *wilson(fooled, len(tried)))


def null_trials(history: History) -> NullChecks:
    """What the rule said of the changes that did nothing (`autogit loop --null-rate`)."""
    tried = [record for record in history if record.trial.is_null and record.verdict in JUDGED]
    fooled = sum("fooled" in record.statistics for record in tried)
    return NullChecks(len(tried), fooled, *wilson(fooled, len(tried)))


def passes(bounds: Race, differences: Sequence[float], sd: float, freedom: int) -> bool:
    """Whether these paired differences win the race; differences that run out before its end do not."""
    for k in range(1, min(len(differences), bounds.pairs) + 1):
        z = normal_score(math.fsum(differences[:k]) / math.sqrt(k) / sd, freedom)
        if (step := bounds.step(z, k)) is not Step.GO_ON:
            return step is Step.ACCEPT
    return False


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95% interval of a rate (Wilson 1927, JASA 22); (0, 1) where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    rate, z2 = hits / trials, WILSON_Z**2
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = WILSON_Z * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)
