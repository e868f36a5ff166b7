"""A budget for training that would go on for ever, from its first run."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from autogit.errors import AutogitError
from autogit.lab import Lab
from autogit.setup.survey import Survey
from autogit.trial.first_run import PATIENCE_SECONDS

REPORTS_PER_RUN = 20
"""Values of the metric that a proposed budget has time for."""
LEAST_SECONDS = 30.0
"""The shortest budget that is proposed."""
MAX_SECONDS = 600.0
"""The longest budget that is proposed without knowing more."""


def budgeted(survey: Survey) -> Survey:
    """Returns the survey of a script that never ends with a budget from its first run, and with what that run showed.

    Needs the drafted configuration in the folder. What cannot be run is a doubt, never an error.
    """
    try:
        with closing(Lab.open(survey.folder).first_runs()) as runs:
            first = next(runs)
    except (AutogitError, OSError) as error:
        return _told(survey, f"it could not be tried: {error}", MAX_SECONDS)
    if first.ended:
        why = first.run.reason
        return _told(survey, f"a short run of it ended by itself: {why}" if why else "a short run of it ended", None)
    name = survey.metric.name if survey.metric else "metric"
    if survey.steps is not None and first.step and first.value is None:
        # Fewer steps than these print nothing to compare; how many it takes is not known.
        at_least = max(survey.steps, 2 * first.step)
        said = f"in {PATIENCE_SECONDS:g} s and {first.step} steps it printed no {name}"
        return _told(replace(survey, steps=_round(at_least)), said, None)
    if survey.steps is not None and first.step:
        rate = first.step / max(first.step_seconds, 0.1)
        return replace(survey, steps=max(10, _round(rate * LEAST_SECONDS)))
    if first.value is None:
        return _told(survey, f"in {PATIENCE_SECONDS:g} s it printed no {name}", MAX_SECONDS)
    # Imports and data come once; with a single value what they took cannot be told from what a value takes.
    apart = (first.last_seconds - first.seconds) / (first.reports - 1) if first.reports > 1 else first.seconds
    seconds = min(MAX_SECONDS, max(LEAST_SECONDS, first.seconds + (REPORTS_PER_RUN - 1) * apart))
    return _told(survey, f"it printed {name} after {first.seconds:.1f} s", float(_round(seconds)))


def _told(survey: Survey, seen: str, seconds: float | None) -> Survey:
    if survey.steps is not None:
        return replace(survey, doubts=(*survey.doubts, f"{survey.endless}; {seen}: budget.steps is a guess"))
    words = f"so a run gets {seconds:g} seconds (budget.seconds)" if seconds else "give it a budget if it does not end"
    doubt = f"training may never end ({survey.endless}); {seen}, {words}"
    return replace(survey, seconds=seconds, doubts=(*survey.doubts, doubt))


def _round(value: float) -> int:
    """Two digits, as a person would write it."""
    return int(float(f"{value:.2g}"))
