"""A short run of training that would go on for ever, to propose a budget for it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from autogit.config.load import find
from autogit.errors import AutogitError
from autogit.evaluate.lines import normalised, parse_line
from autogit.protocols import Halt
from autogit.records import RunStatus
from autogit.setup.survey import Survey

SECONDS = 20.0
"""How long the script is watched."""
REPORTS = 3
"""So many values of the metric are enough."""
REPORTS_PER_RUN = 20
"""Values of the metric that a proposed budget has time for."""
LEAST_SECONDS = 30.0
"""The shortest budget that is proposed."""
MAX_SECONDS = 600.0
"""The longest budget that is proposed without knowing more."""


@dataclass(slots=True)
class _Watch:
    """Notes when the metric was printed, and how far the steps had come."""

    metric: str
    times: list[float] = field(default_factory=list)
    step: int = 0
    at: float = 0.0

    def line(self, text: str, seconds: float) -> Halt | None:
        line = parse_line(text)
        step = line.epoch if line.step is None else line.step
        if step is not None:
            self.step, self.at = max(self.step, step), seconds
        if self.metric in line.values:
            self.times.append(seconds)
        return Halt(RunStatus.TRUNCATED, "seen enough") if len(self.times) >= REPORTS else None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        return None


def budgeted(survey: Survey) -> Survey:
    """The survey of a script that never ends, with a budget from a short run and what that run showed.

    Needs the drafted configuration in the folder. What cannot be run is a doubt, never an error.
    """
    try:
        watch, ended, why = _run(survey)
    except (AutogitError, OSError) as error:
        return _told(survey, f"it could not be tried: {error}", MAX_SECONDS)
    if ended:
        return _told(survey, f"a short run of it ended by itself: {why}" if why else "a short run of it ended", None)
    if survey.steps is not None and watch.step > 0:
        rate = watch.step / max(watch.at, 0.1)
        return replace(survey, steps=max(10, _round(rate * LEAST_SECONDS)))
    if not watch.times:
        said = f"in {SECONDS:g} s it printed no {watch.metric}"
        return _told(survey, said, MAX_SECONDS)
    seconds = min(MAX_SECONDS, max(LEAST_SECONDS, REPORTS_PER_RUN * watch.times[0]))
    return _told(survey, f"it printed {watch.metric} after {watch.times[0]:.1f} s", float(_round(seconds)))


def _told(survey: Survey, seen: str, seconds: float | None) -> Survey:
    if survey.steps is not None:
        return replace(survey, doubts=(*survey.doubts, f"{survey.endless}; {seen}: budget.steps is a guess"))
    words = f"so a run gets {seconds:g} seconds (budget.seconds)" if seconds else "give it a budget if it does not end"
    doubt = f"training may never end ({survey.endless}); {seen}, {words}"
    return replace(survey, seconds=seconds, doubts=(*survey.doubts, doubt))


def _run(survey: Survey) -> tuple[_Watch, bool, str]:
    """(what was seen, whether it ended by itself, its reason)."""
    from autogit.execute.local import LocalExecutor
    from autogit.lab import Lab
    from autogit.trial.jobs import JobMaker

    lab = Lab(find(survey.folder))
    config = lab.config
    watch = _Watch(normalised(config.metric.name))
    maker = JobMaker(config, lab.ledger.root, lab.ledger.prefix, SECONDS)
    executor = LocalExecutor(config, 1)
    with lab.ledger.lock():
        checkout = lab.ledger.checkout(lab.ledger.main(), 0)
        out = Path(lab.ledger.private) / "probe"
        out.mkdir(parents=True, exist_ok=True)
        try:
            variables = executor.variables(0, config.train.seed)
            job = maker.train(checkout, out, config.train.seed, config.budget.steps, variables, None)
            job = replace(job, seconds=SECONDS, timeout=None, grace=1.0)
            done = executor.run(job, watch, Event())
        finally:
            shutil.rmtree(out, ignore_errors=True)
    return watch, done.ending.value == "exited", done.reason


def _round(value: float) -> int:
    """Two digits, as a person would write it."""
    return int(float(f"{value:.2g}"))
