"""Time as the budget: runs that are ended in good order, and what they are compared by."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import make_toy

from autogit import Lab
from autogit.errors import ConfigError
from autogit.records import Record, RunStatus, Verdict

TRAIN = '''\
"""Learns by the step, as fast as `pause` lets it, until it is told to stop."""
import random
import signal
import sys
import time

pause = 0.02
rate = 0.1
noise = random.Random(int(sys.argv[1])).gauss(0, 1e-4)
step = 0


def finish(*_):
    print(f"\\nval_loss: {2 / (1 + rate * step) + noise:.6f}", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, finish)
while True:
    step += 1
    print(f"step {step} monitor_loss {2 / (1 + rate * step) + noise:.4f}", flush=True)
    time.sleep(pause)
'''


def lab(folder: Path, more: str) -> Lab:
    return Lab.open(make_toy(folder, TRAIN, more))


def attempt(lab: Lab, before: str, after: str) -> Record:
    text = lab.ledger.files(lab.ledger.main())["train.py"]
    line = text.splitlines().index(before) + 1
    return lab.attempt(f"--- a/train.py\n+++ b/train.py\n@@ -{line} +{line} @@\n-{before}\n+{after}\n", after)


def test_a_run_counts_with_what_it_had_measured_when_its_time_was_over(tmp_path: Path) -> None:
    here = lab(tmp_path / "lab", "[budget]\nseconds = 1\n[prune]\nconfidence = 0\n")
    slower = attempt(here, "pause = 0.02", "pause = 0.06")
    baseline = here.history["0"]
    assert {run.status for run in (*baseline.runs, *slower.runs)} == {RunStatus.TRUNCATED}
    assert slower.runs[0].step < baseline.runs[0].step, "the slower one got less far"
    assert slower.verdict is Verdict.REJECTED and slower.statistics["gain"] < 0


def test_at_equal_step_speed_is_no_score(tmp_path: Path) -> None:
    here = lab(tmp_path / "lab", '[budget]\nseconds = 1\ncompare = "step"\n[prune]\nconfidence = 0\n')
    slower = attempt(here, "pause = 0.02", "pause = 0.06")
    first = here.history["0"].runs[0]
    runs = (*here.history["0"].runs, *slower.runs)
    assert {run.status for run in runs} == {RunStatus.TRUNCATED}
    # The script goes on for a step or two until the signal reaches it.
    assert all(first.step <= run.step <= first.step + 5 for run in runs)
    assert slower.runs[0].seconds > 2 * first.seconds
    assert abs(slower.statistics["gain"]) < 0.05


def test_a_run_that_is_behind_at_equal_time_is_stopped_though_its_time_is_not_over(tmp_path: Path) -> None:
    here = lab(tmp_path / "lab", "[budget]\nseconds = 2\n")
    slower = attempt(here, "pause = 0.02", "pause = 0.2")
    assert slower.verdict is Verdict.PRUNED
    assert slower.runs[0].seconds < 2


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('[budget]\ncompare = "step"', "budget.seconds beside it"),
        ('[budget]\ncompare = "time"', 'one of "budget", "step"'),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, more: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        lab(tmp_path / "lab", more)
