"""What the tools answer, as values that have a schema. Foreign text in them is without control characters.

Without slots: the schema is made from the classes, and would take a slot for a default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autogit.trial.live import read_live
from autogit.wording import number, plain

if TYPE_CHECKING:
    from autogit.lab import Lab
    from autogit.records import Idea, Record


@dataclass(frozen=True)
class TrialRow:
    """One trial in a line."""

    trial: str
    verdict: str
    title: str
    kind: str
    proposer: str
    metric: float | None
    """The primary metric, a mean over its runs; None if no run came to a usable number."""
    gain_percent: float | None
    """Over the first baseline."""
    effect: float | None
    """Over what it had to beat, on shared seeds, in the metric's unit; above 0 is better."""
    seconds: float


@dataclass(frozen=True)
class Trials:
    """Some trials of a lab."""

    metric: str
    better: str
    """"lower" or "higher"."""
    shown: int
    of: int
    """How many trials the lab has."""
    trials: list[TrialRow]


@dataclass(frozen=True)
class RunRow:
    """One run of a trial."""

    seed: int
    status: str
    metric: float | None
    seconds: float
    reason: str


@dataclass(frozen=True)
class TrialFacts:
    """What the record of a trial says."""

    trial: str
    verdict: str
    reason: str
    title: str
    kind: str
    proposer: str
    hypothesis: str
    expectation: str
    metrics: dict[str, float]
    gain_percent: float | None
    """Over the first baseline."""
    effect: float | None
    """Over what it had to beat, on shared seeds, in the metric's unit; above 0 is better."""
    statistics: dict[str, float]
    runs: list[RunRow]
    commit: str
    base: str
    parents: list[str]
    reproduce: str
    closed: str


@dataclass(frozen=True)
class IdeaRow:
    """A direction that a person has queued."""

    id: str
    idea: str
    added: str


@dataclass(frozen=True)
class InWork:
    """A trial that trains now."""

    trial: str
    title: str
    seed: int | None
    step: int | None
    loss: float | None


@dataclass(frozen=True)
class Status:
    """How a lab stands."""

    lab: str
    metric: str
    better: str
    """"lower" or "higher"."""
    target: float | None
    best: TrialRow | None
    trials: int
    accepted: int
    open: list[str]
    """Trials that were given up; the same change, tried again, or the next loop goes on with them."""
    noise: float | None
    """Standard deviation of the difference between two runs of the same code."""
    busy: str
    """What works on the lab now: a process that runs a loop or a trial; empty if nothing does."""
    in_work: list[InWork]
    ideas: list[IdeaRow]


@dataclass(frozen=True)
class Ideas:
    """The queued ideas that no trial has followed yet."""

    waiting: list[IdeaRow]


def trial_row(lab: Lab, record: Record) -> TrialRow:
    """Returns a trial in a line."""
    trial, history = record.trial, lab.history
    return TrialRow(
        record.id, record.verdict.value, plain(trial.title), plain(trial.operator), plain(trial.proposer),
        history.value(record), lab.improvement(record), history.effect(record), record.seconds,
    )  # fmt: skip


def trials(lab: Lab, records: Sequence[Record]) -> Trials:
    """Returns some trials of a lab."""
    return Trials(
        lab.config.metric.name, _better(lab), len(records), len(lab.history), [trial_row(lab, each) for each in records]
    )


def trial_facts(lab: Lab, record: Record) -> TrialFacts:
    """Returns what the record of a trial says."""
    trial, name = record.trial, lab.config.metric.name
    return TrialFacts(
        trial=record.id,
        verdict=record.verdict.value,
        reason=plain(record.reason),
        title=plain(trial.title),
        kind=plain(trial.operator),
        proposer=plain(trial.proposer),
        hypothesis=plain(trial.rationale),
        expectation=plain(trial.expected),
        metrics=dict(record.metrics),
        gain_percent=lab.improvement(record),
        effect=lab.history.effect(record),
        statistics=dict(record.statistics),
        runs=[
            RunRow(run.seed, run.status.value, run.metrics.get(name), run.seconds, plain(run.reason))
            for run in record.runs
        ],
        commit=trial.commit,
        base=trial.base,
        parents=list(trial.parents),
        reproduce=plain(record.reproduce),
        closed=record.closed,
    )


def status(lab: Lab) -> Status:
    """Returns how a lab stands."""
    best, noise, pid = lab.best(), lab.noise(), lab.ledger.running()
    live = None if pid is None else read_live(lab.ledger.private, pid)
    slots = [] if live is None else list(live.slots.values())
    return Status(
        lab=lab.ledger.root.name,
        metric=lab.config.metric.name,
        better=_better(lab),
        target=lab.config.metric.target,
        best=None if best is None else trial_row(lab, best),
        trials=len(lab.history),
        accepted=len(lab.history.accepted),
        open=[trial.id for trial in lab.ledger.unfinished()],
        noise=None if noise is None else noise.sd,
        busy=_busy(pid, live is not None, live.stopping if live else ""),
        in_work=[InWork(slot.trial, plain(slot.title), slot.seed, slot.step, slot.loss) for slot in slots],
        ideas=idea_rows(lab.ideas()),
    )


def idea_rows(ideas: Sequence[Idea]) -> list[IdeaRow]:
    """Returns queued ideas, oldest first."""
    return [IdeaRow(each.id, plain(each.text), each.added) for each in ideas]


def verdict(lab: Lab, record: Record) -> str:
    """Returns what came of a trial, in a sentence."""
    name, value = lab.config.metric.name, lab.history.value(record)
    measured = "" if value is None else f", {name} {number(value)}"
    return f"{record.trial.ref} is {record.verdict.value}{measured}: {plain(record.reason)}"


def _busy(pid: int | None, loops: bool, stopping: str) -> str:
    if pid is None:
        return ""
    ends = f", which ends: {stopping}" if stopping else ""
    return f"process {pid} {'runs a loop' if loops else 'makes a trial'}{ends}"


def _better(lab: Lab) -> str:
    return "lower" if lab.config.metric.direction == "min" else "higher"
