"""Makes the runs of closed trials again, each by the configuration and with the threads of its time."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from autogit.config.load import ConfigFile, parse
from autogit.config.model import Config
from autogit.errors import ConfigError
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.records import Record, Run
from autogit.trial.judge import TIMEOUT_FACTOR
from autogit.trial.measure import Measurement
from autogit.trial.reproduce import FRESH, Reproduction, Verification, changed, compare, repeatable

FRESH_RUNS = 2
"""Fresh seeds that a trial is verified with."""
OUT = "again"
"""The folder in the lab's private one where repeated runs write; kept output is elsewhere."""


class Repeating:
    """Of one lab, whose lock is held."""

    def __init__(
        self,
        file: ConfigFile,
        ledger: GitLedger,
        history: History,
        noise: float | None,
        measurement: Callable[[Config], Measurement],
    ) -> None:
        """`noise`: standard deviation of a difference between two runs; `measurement`: wires one that writes to OUT."""
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
        environment = changed(record.environment, {**measurement.environment, "config": hash})
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
                    gains.append(reference - value if self._history.metric.direction == "min" else value - reference)
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
            return measurement.run(record.trial, seed, 0, self._timeout(record), until=until).run
        finally:
            shutil.rmtree(self._ledger.private / OUT, ignore_errors=True)

    def _measurement(self, record: Record) -> tuple[Measurement, str]:
        """By the configuration that the record names, else today's where that is gone or unreadable; and its hash."""
        config, hash = self._file.config, self._file.hash
        recorded = str(record.environment.get("config", ""))
        text = self._ledger.texts("config").get(recorded)
        if text is not None and recorded != hash:
            # One written for another version of autogit is left: the comparison then names the change.
            with suppress(ConfigError):
                config, hash = parse(text, f"the configuration of {record.trial.ref}"), recorded
        threads = record.environment.get("threads")
        if isinstance(threads, int):
            config = replace(config, train=replace(config.train, threads=threads))
        known = next((m for c, m in self._measurements if c == config), None)
        if known is None:
            known = self._wire(config)
            self._measurements.append((config, known))
        return known, hash

    def _timeout(self, record: Record) -> float | None:
        budget, baseline = self._file.config.budget, self._history.baseline
        if budget.timeout is not None:
            return budget.timeout
        longest = max(run.seconds for run in (*record.runs, *(baseline.runs if baseline else ())))
        return TIMEOUT_FACTOR * longest + budget.grace


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
