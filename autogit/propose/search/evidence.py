"""What earlier trials tell about parameter values, wherever `main` stood when they were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autogit.config.space import Space
from autogit.diff import applied
from autogit.history import History
from autogit.propose.lineage import parametric
from autogit.propose.search.parameters import Found, find, same
from autogit.protocols import Context
from autogit.records import Record, Value, Verdict

WINDOW_TRIALS = 100
"""The latest samples that a model is made of, beside the best ones: its cost does not grow with the lab."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One setting of all parameters and how it did."""

    trial: str
    number: int
    """How many trials the lab had before it."""
    before: Mapping[str, Value | None]
    """The setting of its base."""
    values: Mapping[str, Value | None]
    verdict: Verdict
    value: float | None
    """The metric as it would be if nothing but parameters had ever been changed; None for a trial that has no metric.

    Of a trial only its difference from the incumbent of its base counts, and of the base only what parameters brought:
    otherwise whatever was tried after a better architecture would look like a better value.
    """
    reached: tuple[int, float] | None = None
    """Of a pruned trial: the step it came to, and the monitored loss there."""
    reason: str = ""

    @property
    def won(self) -> bool:
        """Whether proposals build on it."""
        return self.verdict in (Verdict.ACCEPTED, Verdict.KEPT)

    @property
    def moved(self) -> tuple[str, ...]:
        """The parameters in which it differs from its base."""
        return tuple(name for name in self.values if not same(self.values[name], self.before.get(name)))


def evidence(context: Context, found: Found) -> list[Sample]:
    """Samples from all incumbents and parameter trials, oldest first; older `main`s are read through their diffs."""
    history = context.history
    levels, worse = _levels(history), -1.0 if history.metric.direction == "max" else 1.0
    present = _values_by_base(context, found)
    # Beyond a person's own commit no diff leads back: the oldest values known stand for it.
    oldest = next(reversed(present.values()))
    samples = []
    for number, record in enumerate(history):
        base, value = record.trial.base, history.value(record)
        before = present.get(base, oldest)
        effect = 0.0 if record.trial.is_baseline else history.effect(record)
        level = None if value is None or effect is None or base not in levels else levels[base] - worse * effect
        if record.trial.is_baseline and level is not None:
            samples.append(Sample(record.id, number, before, before, record.verdict, level))
        elif parametric(history, record.trial) and base in levels and record.verdict is not Verdict.INVALID:
            values = {**before, **{n: v for n, v in record.trial.parameters.items() if n in before}}
            # Curves are read from git one by one, so only those of trials that still matter.
            pruned = record.verdict is Verdict.PRUNED and number >= len(history) - WINDOW_TRIALS
            reached = _reached(context, record) if pruned else None
            samples.append(Sample(record.id, number, before, values, record.verdict, level, reached, _reason(record)))
    return samples


def _reached(context: Context, record: Record) -> tuple[int, float] | None:
    ends = [(curve.steps[-1], curve.values[-1]) for curve in context.revisions.curves(record.id) if curve.steps]
    return max(ends, default=None)


def _reason(record: Record) -> str:
    return " ".join([record.reason, *(run.reason for run in record.runs)])


def _levels(history: History) -> dict[str, float]:
    """For each commit that was the tip of `main`: the metric as it would be if only parameters had brought anything."""
    levels: dict[str, float] = {}
    tip: str | None = None
    worse = -1.0 if history.metric.direction == "max" else 1.0
    for record in history:
        value = history.value(record)
        if not record.won or value is None:
            continue
        trial = record.trial
        if trial.is_baseline:
            # A person's commit on `main` is no work of parameters, whatever it brought.
            levels.setdefault(trial.commit, levels[tip] if tip is not None else value)
        elif trial.base in levels:
            gain = history.effect(record) if parametric(history, trial) else 0.0
            levels[trial.commit] = levels[trial.base] - worse * (gain or 0.0)
        else:
            levels[trial.commit] = value
        tip = trial.commit
    return levels


def _values_by_base(context: Context, found: Found) -> dict[str, Mapping[str, Value | None]]:
    """The parameters' values at the tip of `main` and at each tip before it, newest first."""
    result: dict[str, Mapping[str, Value | None]] = {}
    result[context.base] = {name: parameter.value for name, parameter in found.parameters.items()}
    space = Space({name: parameter.domain for name, parameter in found.parameters.items()})
    for base, files in older(context):
        result[base] = {**next(reversed(result.values())), **_present(space, files, context)}
    return result


def _present(space: Space, files: Mapping[str, str], context: Context) -> dict[str, Value | None]:
    found = find(space, files, context.config.train.command)
    return {name: parameter.value for name, parameter in found.parameters.items()}


def older(context: Context) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The tips of `main` before this one with their files, as far as accepted trials lead back."""
    made = {r.trial.commit: r for r in context.history if r.won and not r.trial.is_baseline}
    base, files = context.base, dict(context.files)
    while base in made:
        before = applied(files, context.revisions.diff(made[base].id), reverse=True)
        if before is None:
            return
        for path, text in before.items():
            if text is None:
                del files[path]
            else:
                files[path] = text
        base = made[base].trial.base
        yield base, dict(files)
