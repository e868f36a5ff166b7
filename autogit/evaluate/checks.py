"""How far the rule can be believed: A/A tests of it, and what accepted changes gained on seeds that chose nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autogit.config.model import Config
from autogit.evaluate.noise import normal_score, pooled, scores
from autogit.evaluate.objective import objective
from autogit.evaluate.race import Race, Step, race
from autogit.evaluate.rules import rule_of
from autogit.history import History
from autogit.records import GAIN, HIGH, IS_TOTAL, LOW, Record, Verdict

JUDGED = (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.PRUNED)
"""Verdicts that the rule has had a word in; a crash is none."""
WILSON_Z = 1.959964
"""Of an interval that holds the true rate 95 times of 100."""


@dataclass(frozen=True, slots=True)
class AATest:
    """How often the rule accepted unchanged code over itself, with the 95% interval of that rate."""

    trials: int
    fooled: int
    low: float
    high: float

    def __str__(self) -> str:
        return f"fooled {self.fooled} of {self.trials} times (95% interval {self.low:.0%} to {self.high:.0%})"


def aa_test(config: Config, history: History) -> AATest:
    """The rule applied to two halves of each incumbent's own runs: every second one plays the candidate.

    The runs that are paired have nothing in common but the code, so the noise is that of unrelated runs. Nothing is
    tested if the rule promises nothing or there is no noise.
    """
    baseline = history.baseline
    score = objective(config, {} if baseline is None else baseline.metrics).score
    groups = [list(scores(record.runs, score).values()) for record in history.compared() if record.accepted]
    spread = pooled(groups)
    if spread is None or spread[0] == 0 or not rule_of(config).controls_errors:
        return AATest(0, 0, *wilson(0, 0))
    halves = [[a - b for a, b in zip(group[::2], group[1::2], strict=False)] for group in groups]
    tried = [differences[: config.accept.seeds] for differences in halves if differences]
    sd, dof = math.sqrt(2) * spread[0], spread[1]
    fooled = sum(passes(race(config.accept.confidence, len(d)), d, sd, dof) for d in tried)
    return AATest(len(tried), fooled, *wilson(fooled, len(tried)))


def null_trials(history: History) -> AATest:
    """What the rule said of the changes that did nothing (`autogit loop --null-rate`)."""
    tried = [record for record in history if record.trial.is_null and record.verdict in JUDGED]
    fooled = sum("fooled" in record.statistics for record in tried)
    return AATest(len(tried), fooled, *wilson(fooled, len(tried)))


def passes(bounds: Race, differences: Sequence[float], sd: float, dof: int) -> bool:
    """Whether these paired differences win the race; differences that run out before its end do not."""
    for k in range(1, min(len(differences), bounds.pairs) + 1):
        z = normal_score(math.fsum(differences[:k]) / math.sqrt(k) / sd, dof)
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


@dataclass(frozen=True, slots=True)
class Gain:
    """An improvement with its 95% interval, in the unit of what is compared; positive is better."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.6g} better on fresh seeds (95% interval {self.low:.6g} to {self.high:.6g})"


def gain(record: Record) -> Gain | None:
    """What one accepted change gained on fresh seeds; None if it was not measured (a greedy rule, one seed)."""
    found = record.statistics if record.proof is None else record.proof
    if not record.accepted or not {GAIN, LOW, HIGH} <= found.keys():
        return None
    return Gain(*(float(found[name]) for name in (GAIN, LOW, HIGH)))


def total_gain(records: Iterable[Record]) -> Gain | None:
    """What all accepted changes gained together, each over the one before; None if there is nothing to add up.

    If the latest was held against the first baseline on seeds of their own, that is the answer.
    What a person has taken back counts no more. The steps' errors are taken as independent, so their half widths add as
    squares.
    """
    records = list(records)
    latest = next((record for record in reversed(records) if record.accepted), None)
    for check in reversed(latest.checks if latest else ()):
        if check.get(IS_TOTAL):
            return Gain(*(float(check[name]) for name in (GAIN, LOW, HIGH)))
    back = _taken_back(records)
    steps = [step for record in records if record.id not in back and (step := gain(record)) is not None]
    if not steps:
        return None
    value = math.fsum(step.value for step in steps)
    half = math.hypot(*((step.high - step.low) / 2 for step in steps))
    return Gain(value, value - half, value + half)


def _taken_back(records: Iterable[Record]) -> set[str]:
    """The trials that an undo has taken off `main`; if the undo was itself taken back, they are there again."""
    undone: dict[str, tuple[str, ...]] = {}
    back: set[str] = set()
    for record in records:
        if record.accepted and record.trial.operator == "undo":
            undone[record.id] = record.trial.parents
            for parent in record.trial.parents:
                back = back - set(undone[parent]) if parent in undone else back | {parent}
    return back
