"""The file that tells another terminal what a loop is doing."""

from __future__ import annotations

import os
from pathlib import Path

from autogit.events import Closed, Ended, Notice, Opened, Progress, Ran, Started, Stopping
from autogit.records import Record, Run, RunStatus, Trial, Verdict
from autogit.trial.live import FILENAME, Live, LiveFile, read_live

TRIAL = Trial("3", "c3", "c2", "Trial 3", "test", "test")
RECORD = Record(TRIAL, Verdict.REJECTED, "", {"val_loss": 1.0})
BASELINE = Record(Trial("0", "c0", "c0", "Baseline", "baseline", "baseline"), Verdict.ACCEPTED, "")


def seen(folder: Path) -> Live:
    live = read_live(folder, os.getpid())
    assert live is not None
    return live


def test_the_live_file_is_throttled_and_gone_at_the_end(tmp_path: Path) -> None:
    now = [100.0]
    file, trial = LiveFile(tmp_path, lambda: now[0]), TRIAL
    file.tell(Started(20, None, 1, None))
    file.tell(Opened(trial, 0))
    for step, at in ((1, 100.2), (2, 101.5), (3, 101.6)):
        now[0] = at
        file.tell(Progress(trial, 0, 1, step, 1 / step, at - 100, step / 10))
    live = read_live(tmp_path, os.getpid())
    assert live is not None and live.slots[0].step == 2, "the third came too soon after the second"
    file.tell(Stopping("enough"))
    live = read_live(tmp_path, os.getpid())
    assert live is not None and live.stopping == "enough" and live.slots[0].step == 3
    assert read_live(tmp_path, os.getpid() + 1) is None, "another process's file says nothing"
    file.tell(Closed(RECORD, 0, None))
    live = read_live(tmp_path, os.getpid())
    assert live is not None and live.slots == {} and live.closed == 1
    file.tell(Ended("done", 1, (), 1.0, False))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_told_outside_of_a_loop(tmp_path: Path) -> None:
    LiveFile(tmp_path).tell(Opened(TRIAL, 0))
    assert read_live(tmp_path, os.getpid()) is None
    (tmp_path / FILENAME).write_text('{"pid": 1, "sta')
    assert read_live(tmp_path, 1) is None, "half a file is none"


def test_a_slot_goes_from_run_to_run(tmp_path: Path) -> None:
    now = [100.0]
    file = LiveFile(tmp_path, lambda: now[0])
    file.tell(Started(None, 2.0, 2, None))
    file.tell(Progress(TRIAL, 1, 1, 5, 0.5, 1.0, None))
    assert seen(tmp_path).slots == {}, "nobody opened it"
    file.tell(Opened(TRIAL, 1))
    file.tell(Notice("waiting for a model"))
    assert seen(tmp_path).notice == "waiting for a model"
    now[0] = 110.0
    file.tell(Progress(TRIAL, 1, 7, 5, 0.5, 9.0, 0.25, quiet=4.0, line="step 5", cores=0.5))
    slot = seen(tmp_path).slots[1]
    assert (slot.trial, slot.title, slot.since, slot.seed, slot.step) == ("3", "Trial 3", 100.0, 7, 5)
    assert (slot.share, slot.heard, slot.line, slot.cores) == (0.25, 106.0, "step 5", 0.5)
    file.tell(Ran(TRIAL, 1, Run(7, RunStatus.COMPLETED, 9.0)))
    slot = seen(tmp_path).slots[1]
    assert (slot.since, slot.seed, slot.heard) == (100.0, None, None)
    file.tell(Opened(TRIAL, 0))
    assert seen(tmp_path).notice == "" and sorted(seen(tmp_path).slots) == [0, 1]
    file.tell(Closed(BASELINE, 0, None))
    assert seen(tmp_path).closed == 0, "a baseline is no trial"


def test_a_full_disk_ends_no_loop(tmp_path: Path) -> None:
    LiveFile(tmp_path / "is not there").tell(Started(1, None, 1, None))
