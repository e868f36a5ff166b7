"""What the lab remembers, derived from its records and never stored: incumbent, best, improvements, trends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from autogit.config.model import Metric
from autogit.errors import UnknownTrialError
from autogit.records import AGAINST, DATA, GAIN, SPARED, TERMS, Record, Usage, Verdict


@dataclass(frozen=True, slots=True)
class Trend:
    """How one kind of move has done."""

    proposer: str
    operator: str
    attempts: int
    accepted: int
    improvement: float | None
    """Mean improvement over the incumbent of its time, in percent of that incumbent, over the trials with a metric.

    Of a trial with several parts, the share of this one.
    """

    @property
    def success_rate(self) -> float:
        return self.accepted / self.attempts


@dataclass(frozen=True, slots=True)
class Pruning:
    """What early stopping did, and what that costs by the runs that were let finish to see it."""

    stopped: int
    spared: int
    """Runs that would have been stopped too, and were allowed to finish."""
    won: int
    """Of these, the ones that were accepted."""


class History:
    """Records of one lab, oldest first. Grows by `add`; reading it never costs a git process."""

    def __init__(
        self,
        metric: Metric,
        records: Iterable[Record] = (),
        line: Callable[[], Iterable[str]] | None = None,
        terms: str = "",
        data: str = "",
    ) -> None:
        """`line` gives the commits that `main` went through, from its tip back.

        `terms` and `data`: what runs have to share for their numbers to compare (`Config.terms`, the hash of the data).
        What is empty, or absent in a record, compares with all.
        """
        self.metric = metric
        self._line = line
        self._terms = terms
        self._data = data
        self._records: list[Record] = []
        self._position: dict[str, int] = {}
        self._first_baseline: str | None = None
        self._accepted_at: dict[str, str] = {}
        for record in records:
            self.add(record)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __getitem__(self, trial: str) -> Record:
        """The record of a trial by its id. Raises UnknownTrialError."""
        try:
            return self._records[self._position[trial]]
        except KeyError:
            raise UnknownTrialError(f"no trial {trial} in this lab; see: autogit log") from None

    def __contains__(self, trial: str) -> bool:
        return trial in self._position

    def snapshot(self) -> History:
        """As it is now: later additions do not change it."""
        copy = History(self.metric, (), self._line, self._terms, self._data)
        copy._records, copy._position = self._records.copy(), self._position.copy()
        copy._accepted_at, copy._first_baseline = self._accepted_at.copy(), self._first_baseline
        return copy

    def add(self, record: Record) -> None:
        """Appends a record, or replaces the one of the same trial."""
        if record.id in self._position:
            self._records[self._position[record.id]] = record
        else:
            self._position[record.id] = len(self._records)
            self._records.append(record)
        if not self.comparable(record):
            return
        if record.won:
            before = self._accepted_at.get(record.trial.commit, record.id)
            if self._position[before] <= self._position[record.id]:
                self._accepted_at[record.trial.commit] = record.id
        if record.trial.is_baseline and record.accepted and self._first_baseline is None:
            self._first_baseline = record.id

    def without_nulls(self) -> History:
        """What can be learned from: null changes are not moves that anyone should make again, or avoid."""
        if not any(record.trial.is_null for record in self._records):
            return self
        records = (record for record in self._records if not record.trial.is_null)
        return History(self.metric, records, self._line, self._terms, self._data)

    def comparable(self, record: Record) -> bool:
        """Whether a record's numbers compare with those of today: the same command, metric, budget, evaluator, data."""
        pairs = ((self._terms, record.environment.get(TERMS)), (self._data, record.environment.get(DATA)))
        return all(not now or not then or now == then for now, then in pairs)

    def compared(self) -> list[Record]:
        """Returns the records whose numbers compare with those of today, oldest first."""
        return [record for record in self._records if self.comparable(record)]

    def compare_on(self, data: str) -> None:
        """Says which data the runs to come have, by its hash: what had other data does not compare with them."""
        records, self._data = self._records, data
        self._records, self._position, self._first_baseline, self._accepted_at = [], {}, None, {}
        for record in records:
            self.add(record)

    def value(self, record: Record) -> float | None:
        """The primary metric, or None where the trial has none."""
        return record.metrics.get(self.metric.name)

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return self.metric.better(a, b)

    @property
    def baseline(self) -> Record | None:
        """The first baseline that compares with what is measured today: what percentages are relative to."""
        return None if self._first_baseline is None else self[self._first_baseline]

    def at(self, commit: str) -> Record | None:
        """The latest accepted or kept trial of `commit`: the incumbent, if proposals are made on `commit`."""
        record = self[self._accepted_at[commit]] if commit in self._accepted_at else None
        return record if record is not None and (record.won) else None

    def on(self, base: str) -> list[Record]:
        """The trials that were made on `base`."""
        return [r for r in self._records if r.trial.base == base and not r.trial.is_baseline]

    @property
    def accepted(self) -> list[Record]:
        """Accepted changes, baselines not counted."""
        return [r for r in self._records if r.accepted and not r.trial.is_baseline]

    @property
    def won(self) -> list[Record]:
        """Changes that are accepted, or kept until they are proved."""
        return [r for r in self._records if r.won and not r.trial.is_baseline]

    @property
    def since_accepted(self) -> int:
        """How many trials in a row have ended without an accepted or kept one."""
        count = 0
        for record in reversed(self._records):
            if record.won:
                break
            count += 1
        return count

    def improvement(self, record: Record) -> float | None:
        """How much better than the first baseline, in percent of it; negative if worse. See `gained`."""
        gained, reference = self.gained(record), self.value(self.baseline) if self.baseline else None
        return None if gained is None or not reference else 100 * gained / abs(reference)

    def gained(self, record: Record) -> float | None:
        """How much better than the first baseline, in the metric's unit; negative if worse.

        The effects of the trial and of what it builds on, each measured on the seeds that it shares with what it had to
        beat: the means themselves are over different seeds, and differ by luck, too.
        """
        value = self.value(record)
        reference = self.value(self.baseline) if self.baseline else None
        if value is None or reference is None or not self.comparable(record):
            return None
        if "kept" in record.statistics and record.proof is None and not record.verdict.dead:
            return None  # a step of a line: the line has a gain, and only once it is proved
        gained, at = 0.0, record
        while not at.trial.is_baseline:
            proof = at.proof
            if proof is not None and str(proof[AGAINST]) in self and self.metric.objective == "primary":
                gained, at = gained + float(proof[GAIN]), self[str(proof[AGAINST])]
                continue
            effect, base = self.effect(at), self.at(at.trial.base)
            if effect is None or base is None:
                return self.metric.lead(value, reference)
            gained, at = gained + effect, base
        start = self.value(at)
        return None if start is None else self.metric.lead(start, reference) + gained

    def top(self, count: int = 5) -> list[Record]:
        """The best trials by their improvement, best first; equal ones in order of their numbers."""
        scored = [(gain, r) for r in self._records if (gain := self.improvement(r)) is not None]
        return [r for _, r in sorted(scored, key=lambda pair: -pair[0])[:count]]

    def best(self) -> Record | None:
        """The accepted trial that `main` is at, or was at before a person's own commits. None before the baseline."""
        if self._line is None:
            accepted = [r for r in self._records if r.accepted]
            return next((r for r in reversed(accepted) if self.comparable(r)), accepted[-1] if accepted else None)
        if not self._accepted_at:
            return None
        found = (record for commit in self._line() if (record := self.at(commit)) is not None)
        return next((record for record in found if record.accepted), None)

    def usual_seconds(self) -> float | None:
        """What one run takes, by the incumbent's runs."""
        best = self.best()
        return best.seconds / len(best.runs) if best and best.runs else None

    def effects(self) -> dict[str, float]:
        """How much better each measured trial was than the incumbent of its time, by its id, in the metric's unit.

        By the difference on the same seeds where one was measured: means over different seeds differ by luck, too.
        """
        return {record.id: effect for record in self._records if (effect := self.effect(record)) is not None}

    def effect(self, record: Record) -> float | None:
        """How much better a trial was than the incumbent of its time; None for a baseline and without a metric."""
        base = self.at(record.trial.base)
        value, against = self.value(record), self.value(base) if base else None
        if value is None or against is None or record.trial.is_baseline or not self.comparable(record):
            return None
        paired = record.statistics.get(GAIN) if self.metric.objective == "primary" else None
        if paired is not None:
            return paired
        return self.metric.lead(value, against)

    def relative_effects(self) -> dict[str, float]:
        """The same in percent of that incumbent, for those whose incumbent is not 0."""
        values = {r.trial.commit: abs(value) for r in self._records if r.accepted and (value := self.value(r))}
        return {
            trial: 100 * effect / values[base]
            for trial, effect in self.effects().items()
            if (base := self[trial].trial.base) in values
        }

    def trends(self) -> list[Trend]:
        """One line for each proposer and kind of move, the most successful first.

        A trial of several parts counts for each of them, with an equal share of its improvement.
        """
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in self._records:
            if not record.trial.is_baseline and not record.trial.is_null:
                for part in record.trial.parts:
                    groups.setdefault((record.trial.proposer, part), []).append(record)
        effects = self.relative_effects()
        trends = []
        for (proposer, operator), records in groups.items():
            gains = [effects[r.id] / len(r.trial.parts) for r in records if r.id in effects]
            mean = sum(gains) / len(gains) if gains else None
            trends.append(Trend(proposer, operator, len(records), sum(r.accepted for r in records), mean))
        return sorted(trends, key=lambda t: (-t.success_rate, -(t.improvement or 0), t.operator))

    def pruning(self) -> Pruning:
        """What pruning did, and what the runs tell that it spared."""
        # Records of earlier versions call it "audited".
        spared = [r for r in self._records if r.statistics.get(SPARED) or r.statistics.get("audited")]
        stopped = sum(r.verdict is Verdict.PRUNED for r in self._records)
        return Pruning(stopped, len(spared), sum(r.accepted for r in spared))

    def gain(self, value: float, reference: float) -> float:
        """How much better `value` is than `reference`, in percent of it; negative where worse."""
        return 100 * self.metric.lead(value, reference) / abs(reference)


@dataclass(frozen=True, slots=True)
class Spending:
    """The cost of all proposals that had one."""

    proposals: int
    usage: Usage
    accepted: int
    """How many of these proposals were accepted."""

    @property
    def cost_per_accepted(self) -> float | None:
        """None before the first accepted one."""
        return self.usage.cost / self.accepted if self.accepted else None


def spending(records: Iterable[Record]) -> Spending | None:
    """The total over `records`: a whole history, or what one loop has closed. None where no proposal cost anything."""
    paid = [(record, record.trial.usage) for record in records if record.trial.usage is not None]
    if not paid:
        return None
    total = sum((usage for _, usage in paid), Usage())
    return Spending(len(paid), total, sum(record.accepted for record, _ in paid))
