"""Runs closed trials again: what came out before, what comes out now, and what around it is not the same."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from autogit.config.load import ConfigFile, parse
from autogit.config.model import Config
from autogit.errors import ConfigError, WorkspaceError
from autogit.history import History
from autogit.records import CONFIG, Record, Run, RunStatus, Scalar
from autogit.trial.measure import Measurement

TOLERANCE = 2.0
"""Standard deviations of the lab's noise within which two values of the metric are the same result."""
FRESH = 1_000_000
"""Above the first seed of training, where the seeds of verification begin: no verdict ever comes from them."""
FRESH_RUNS = 2
"""Fresh seeds that a trial is verified with."""
FOLDER = "again"
"""The folder in the lab's private one where repeated runs write; kept output is elsewhere."""
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


class RecordedConfigurations(Protocol):
    """What is asked of the ledger."""

    @property
    def private(self) -> Path:
        """The lab's folder outside git."""

    def texts(self, kind: str) -> Mapping[str, str]:
        """The texts that records name by their hash, such as every `config` that was ever in force."""

    def is_own_config(self, hash: str) -> bool:
        """Whether this clone has made trials by the configuration of that hash, and not only heard of it by a sync."""


Consent = Callable[[str], bool]
"""(what would be run) -> whether the person agrees."""


def refuse(question: str) -> bool:
    """Agrees to nothing: the default if nobody can be asked."""
    return False


class Reproducer:
    """Makes the runs of closed trials again, each by the configuration and with the threads of its time.

    The lab's lock has to be held.
    """

    def __init__(
        self,
        file: ConfigFile,
        ledger: RecordedConfigurations,
        history: History,
        noise: float | None,
        measurement: Callable[[Config], Measurement],
        consent: Consent = refuse,
    ) -> None:
        """`noise`: standard deviation of a difference of two runs; `measurement`: wires one that writes to FOLDER."""
        self._consent = consent
        self._agreed: set[str] = set()
        self._file = file
        self._ledger = ledger
        self._history = history
        self._noise = noise
        self._wire = measurement
        self._measurements: list[tuple[Config, Measurement]] = []
        self._fresh: dict[tuple[str, int], float | None] = {}
        first = FRESH + file.config.train.seed + FRESH_RUNS * max((len(r.checks) for r in history), default=0)
        # The same ones for every trial of this verification, so that a trial and its base share them.
        self._seeds = range(first, first + FRESH_RUNS)

    def reproduce(self, record: Record, seeds: Sequence[int] | None) -> Reproduction:
        """Makes the runs of `seeds` again, or the first. Raises WorkspaceError where there is none."""
        runs = repeatable(record, seeds)
        measurement, hash = self._measurement(record)
        metric = self._history.metric.name
        repeats = tuple(compare(run, self._run(record, run.seed), metric, self._noise) for run in runs)
        # Asked after the runs: some facts (the held-out data's hash) come to light only then.
        environment = changed(record.environment, {**measurement.environment, CONFIG: hash})
        return Reproduction(record.id, repeats, environment, self._noise)

    def verify(self, record: Record) -> Verification:
        """Reproduces the first run, then measures the trial and its base with fresh seeds."""
        reproduction = self.reproduce(record, None)
        base = None if record.trial.is_baseline else self._history.at(record.trial.base)
        values = {seed: value for seed in self._seeds if (value := self._value(record, seed)) is not None}
        gains = []
        if base is not None:
            for seed, value in values.items():
                reference = self._value(base, seed)
                if reference is not None:
                    gains.append(self._history.metric.lead(value, reference))
        return Verification(reproduction, tuple(values), _mean([*values.values()]), _mean(gains))

    def _value(self, record: Record, seed: int) -> float | None:
        key = (record.id, seed)
        if key not in self._fresh:
            run = self._run(record, seed)
            self._fresh[key] = run.metrics.get(self._history.metric.name) if run.status.counts else None
        return self._fresh[key]

    def _run(self, record: Record, seed: int) -> Run:
        measurement, _ = self._measurement(record)
        recorded = record.run(seed)
        until = recorded.step if recorded else None
        try:
            baseline = self._history.baseline
            timeout = measurement.timeout((*record.runs, *(baseline.runs if baseline else ())))
            return measurement.run(record.trial, seed, 0, timeout, until=until).run
        finally:
            shutil.rmtree(self._ledger.private / FOLDER, ignore_errors=True)

    def _ask(self, config: Config, hash: str, record: Record) -> None:
        """Raises WorkspaceError if the commands are another clone's and the person does not want to run them."""
        if hash in self._agreed or self._ledger.is_own_config(hash):
            return
        commands = [config.train.command, config.evaluate.command, config.evaluate.holdout, config.budget.command]
        shown = "; ".join(command for command in commands if command)
        what = f"{record.trial.ref} was recorded by a configuration that this clone never had; it runs: {shown}"
        if not self._consent(what):
            raise WorkspaceError(f"{what}. If you trust it: autogit reproduce {record.id} --yes")
        self._agreed.add(hash)

    def _measurement(self, record: Record) -> tuple[Measurement, str]:
        """By the configuration that the record names, else today's where that is gone or unreadable; and its hash."""
        config, hash = self._file.config, self._file.hash
        recorded = str(record.environment.get(CONFIG, ""))
        text = self._ledger.texts("config").get(recorded)
        if text is not None and recorded != hash:
            # One written for another version of autogit is left: the comparison then names the change.
            with suppress(ConfigError):
                config, hash = parse(text, f"the configuration of {record.trial.ref}"), recorded
                self._ask(config, recorded, record)
                # Nothing that is recorded lowers what protects this machine today.
                config = replace(config, sandbox=self._file.config.sandbox)
        threads = record.environment.get("threads")
        if isinstance(threads, int):
            config = replace(config, train=replace(config.train, threads=threads))
        known = next((m for c, m in self._measurements if c == config), None)
        if known is None:
            known = self._wire(config)
            self._measurements.append((config, known))
        return known, hash


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
