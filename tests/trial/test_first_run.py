"""The training command started once: what its first seconds tell."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from trial.memory import Says, crash, desk, loss

from autogit.protocols import Halt
from autogit.records import RunStatus
from autogit.trial.first_run import PATIENCE_SECONDS, SETTLE_SECONDS, FirstRun, Glance, GlancingReading, first_run
from autogit.trial.jobs import JobMaker
from autogit.trial.measure import Measurement


def looked_at(folder: Path, says: Says, evaluated: bool = False) -> FirstRun:
    made = desk(folder, says=says)
    glance = Glance(made.evaluator, "val_loss", evaluated)
    settings = made.session.config
    jobs, cancel = JobMaker(settings, folder), threading.Event()
    measurement = Measurement(settings, made.ledger, made.executor, glance, jobs, made.told.append, cancel)
    return first_run(measurement, glance, "start", 4)


def test_it_tells_where_the_metric_was_read(tmp_path: Path) -> None:
    found = looked_at(tmp_path, loss)
    assert (found.run.seed, found.value, found.line) == (4, 1.004, "val_loss: 1.004")
    assert found.ended and found.worked


def test_a_crash_did_not_work(tmp_path: Path) -> None:
    found = looked_at(tmp_path, lambda job, text, seed: crash())
    assert found.ended and not found.worked and found.value is None and found.line == ""


def test_what_training_prints_is_not_what_an_evaluator_measures(tmp_path: Path) -> None:
    assert looked_at(tmp_path, loss, evaluated=True).value is None


def test_a_run_that_was_stopped_did_not_end(tmp_path: Path) -> None:
    found = looked_at(tmp_path, lambda job, text, seed: "\n".join(["val_loss: 1.0", *["wait"] * 60]))
    assert not found.ended and found.worked and found.run.reason == "enough was seen"


@pytest.mark.parametrize(("text", "patience"), [("hello", PATIENCE_SECONDS), ("val_loss: 2.0", 3 + SETTLE_SECONDS)])
def test_how_long_it_listens(tmp_path: Path, text: str, patience: float) -> None:
    reading = GlancingReading(desk(tmp_path).evaluator.reading(1), "val_loss")
    assert reading.line(text, 3.0) is None
    assert reading.tick(patience - 0.1, None) is None
    assert reading.tick(patience, None) == Halt(RunStatus.PRUNED, "enough was seen")
    reading.line("val_loss: 5.0", patience)
    assert reading.value in (2.0, 5.0) and (text == "hello" or reading.value == 2.0), "the first one counts"
