"""Running a closed trial again: what came out before, what comes out now, and what around it is not the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autogit.errors import WorkspaceError
from autogit.records import Record, Run, RunStatus, Scalar

TOLERANCE = 2.0
"""Standard deviations of the lab's noise within which two values of the metric are the same result."""
FRESH = 1_000_000
"""Above the first seed of training, where the seeds of verification begin: no verdict ever comes from them."""
_VARYING = {
    "second",
    "seconds",
    "sec",
    "secs",
    "ms",
    "time",
    "throughput",
    "speed",
    "memory",
    "mem",
    "vram",
    "rss",
    "mfu",
}
"""Words in the names of metrics that tell of the machine's day, not of the result."""


class Outcome(StrEnum):
    """How a repeated run compares with the recorded one."""

    IDENTICAL = "identical"
    """Ends the same way, and every metric is equal to the last digit; time and memory are left aside."""
    WITHIN_NOISE = "within noise"
    """Ends the same way, and the primary metric differs by no more than luck makes it differ in this lab."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Change:
    """One fact of the environment that is not what it was; None: it is not known."""

    name: str
    recorded: Scalar | None
    now: Scalar | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run that was made again."""

    recorded: Run
    again: Run
    outcome: Outcome
    metrics: tuple[str, ...]
    """The names of the metrics that differ."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A trial that was run again."""

    trial: str
    repeats: tuple[Repeat, ...]
    environment: tuple[Change, ...]
    """What is not the same around it."""
    noise: float | None
    """Standard deviation of a difference between two runs, in the metric's unit; None where nothing was repeated."""

    @property
    def outcome(self) -> Outcome:
        """That of the run that compares worst."""
        return max((repeat.outcome for repeat in self.repeats), key=list(Outcome).index)


@dataclass(frozen=True, slots=True)
class Verification:
    """A trial that was run again, and measured with seeds that nobody had looked at."""

    reproduction: Reproduction
    seeds: tuple[int, ...]
    """The fresh seeds that gave a metric."""
    value: float | None
    """The metric's mean over them."""
    gain: float | None
    """Its mean improvement over the trial's base on the same seeds, positive is better; None for a baseline."""

    def check(self, when: str) -> dict[str, Scalar]:
        """What the trial's note says of it; `when` in ISO 8601."""
        facts: dict[str, Scalar] = {"verified": when, "outcome": self.reproduction.outcome.value}
        if self.value is not None:
            facts |= {"fresh_seeds": len(self.seeds), "fresh_value": self.value}
        if self.gain is not None:
            facts["fresh_gain"] = self.gain
        if self.reproduction.environment:
            facts["changed"] = ", ".join(change.name for change in self.reproduction.environment)
        return facts


def compare(recorded: Run, again: Run, metric: str, noise: float | None) -> Repeat:
    """Holds a repeated run against the recorded one of the same seed; `metric` is the primary one."""
    names = sorted(recorded.metrics.keys() | again.metrics.keys())
    steady = [name for name in names if name == metric or not varies(name)]
    differing = tuple(name for name in steady if recorded.metrics.get(name) != again.metrics.get(name))
    outcome = Outcome.DIFFERENT
    if recorded.status is again.status and recorded.step == again.step and not differing:
        outcome = Outcome.IDENTICAL
    elif recorded.status.counts and again.status.counts and metric in recorded.metrics and metric in again.metrics:
        distance = abs(recorded.metrics[metric] - again.metrics[metric])
        if distance <= TOLERANCE * (noise or 0.0):
            outcome = Outcome.WITHIN_NOISE
    return Repeat(recorded, again, outcome, differing)


def changed(recorded: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> tuple[Change, ...]:
    """The facts of two environments that differ, by name."""
    names = sorted(recorded.keys() | now.keys())
    return tuple(Change(n, recorded.get(n), now.get(n)) for n in names if recorded.get(n) != now.get(n))


def varies(name: str) -> bool:
    """Whether a metric is one of time, speed or memory, which no two runs share, or is relative to other runs."""
    return name == "steps_to_baseline_loss" or not _VARYING.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def repeatable(record: Record, seeds: Sequence[int] | None) -> tuple[Run, ...]:
    """The recorded runs to make again: those of `seeds`, or the first. Raises WorkspaceError where there is none."""
    runs = {run.seed: run for run in record.runs if run.status is not RunStatus.PRUNED}
    if not runs:
        raise WorkspaceError(f"{record.trial.ref} has no run to repeat: it is {record.verdict} ({record.reason})")
    wanted = list(runs)[:1] if seeds is None else seeds
    unknown = [seed for seed in wanted if seed not in runs]
    if unknown:
        have = ", ".join(map(str, runs))
        raise WorkspaceError(f"{record.trial.ref} has no run with seed {unknown[0]} to repeat; it has: {have}")
    return tuple(runs[seed] for seed in wanted)
