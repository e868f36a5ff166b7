"""A change of our own that dies in its first step is no trial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autogit.records import BASELINE, NULL, Run, RunStatus, Trial, Usage
from autogit.trial.smoke import FIRST_STEP_SECONDS, death

TRIAL = Trial("1", "c1", "c0", "Wider", "patterns", "wider")
DEAD = Run(1, RunStatus.CRASHED, 2.0, None, {}, "KeyError: 'x'")


@pytest.mark.parametrize("step", [None, 0])
def test_it_died_before_it_trained(step: int | None) -> None:
    assert death(TRIAL, [replace(DEAD, step=step)]) == "KeyError: 'x'"
    assert death(TRIAL, [replace(DEAD, reason="", seconds=FIRST_STEP_SECONDS)]) == "it crashed"


@pytest.mark.parametrize(
    ("trial", "runs"),
    [
        (TRIAL, []),
        (TRIAL, [DEAD, DEAD]),
        (TRIAL, [replace(DEAD, step=1)]),
        (TRIAL, [replace(DEAD, seconds=FIRST_STEP_SECONDS + 0.1)]),
        *[(TRIAL, [replace(DEAD, status=status)]) for status in RunStatus if status is not RunStatus.CRASHED],
        *[(replace(TRIAL, proposer=who), [DEAD]) for who in (BASELINE, NULL, "person")],
        (replace(TRIAL, usage=Usage()), [DEAD]),
    ],
)
def test_all_else_is_recorded(trial: Trial, runs: list[Run]) -> None:
    assert death(trial, runs) == ""
