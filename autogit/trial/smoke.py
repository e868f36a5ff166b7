"""Tells a change of autogit's own making that dies in its first step: it is no experiment, and uses no number."""

from __future__ import annotations

from collections.abc import Sequence

from autogit.records import BASELINE, NULL, Run, RunStatus, Trial

FIRST_STEP_SECONDS = 120.0
"""A run that crashed later than this has trained, even if its script prints no steps."""
MAX_DEATHS_IN_A_ROW = 5
"""After so many, one is recorded as a crashed trial, so that the loop's limits are reached whatever is proposed."""
_ASKED_FOR = (BASELINE, NULL, "person", "mcp")


def death(trial: Trial, runs: Sequence[Run]) -> str:
    """Why the trial's first run died before it had trained a step; empty if it did not, or if it is to be recorded.

    What a model, an agent or a person proposed is recorded whatever becomes of it: they are told, and it was paid for.
    """
    if trial.usage is not None or trial.proposer.partition(":")[0] in _ASKED_FOR or len(runs) != 1:
        return ""
    (run,) = runs
    # Some scripts report step 0 before they train.
    at_once = run.status is RunStatus.CRASHED and not run.step and run.seconds <= FIRST_STEP_SECONDS
    return (run.reason or "it crashed") if at_once else ""
