"""The control group that bounds how many tasks a run of root has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogit.execute.limits import Limits
from autogit.execute.reaper import cgroup

if TYPE_CHECKING:
    from conftest import Bench

MAX_PID = 2**22


@pytest.fixture
def group() -> Iterator[Path]:
    made = cgroup.make(10)
    if made is None:
        pytest.skip("this system lets nobody make a control group")
    yield made
    cgroup.remove(made)


def test_a_group_that_a_living_process_made_is_not_swept_by_another(group: Path) -> None:
    dead = group.with_name(f"{cgroup.PREFIX}{MAX_PID + os.getpid()}")
    dead.mkdir()
    child = os.fork()
    if child == 0:
        other = cgroup.make(10)
        if other is not None:
            cgroup.remove(other)
        os._exit(0)
    os.waitpid(child, 0)
    assert group.is_dir() and not dead.exists()


def test_a_group_that_a_dead_reaper_of_the_same_number_left_is_used(group: Path) -> None:
    assert cgroup.make(20) == group
    assert (group / "pids.max").read_text().strip() == "20"


def test_it_holds_root_to_the_number_of_tasks(group: Path) -> None:
    (group / "pids.max").write_text("3")
    child = os.fork()
    if child == 0:
        cgroup.enter(group)
        waiting = []
        try:
            for _ in range(5):
                pid = os.fork()
                if pid == 0:
                    os.read(0, 0)
                    os.kill(os.getpid(), 19)  # stays, until it is ended
                    os._exit(0)
                waiting.append(pid)
        except OSError:
            pass
        for pid in waiting:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os._exit(len(waiting))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


@pytest.mark.parametrize("harm", ["gone", "closed"])
def test_a_group_that_cannot_be_made_or_entered_keeps_no_run_from_going_on(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = tmp_path / "pids"
    if harm == "closed":
        parent.mkdir()
    # No file of a control group is there: neither its limit nor its list of processes is the kernel's.
    monkeypatch.setattr(cgroup, "_parent", lambda: parent)
    assert harm != "gone" or cgroup.make(10) is None
    cgroup.enter(parent / "autogit-1")
    cgroup.remove(parent / "autogit-1")


def test_runs_side_by_side_leave_no_group_behind(strongest: Bench) -> None:
    parent = cgroup._parent()
    assert strongest.run("prints_nan").log
    if parent is not None:
        own = [int(path.name.removeprefix(cgroup.PREFIX)) for path in parent.glob(f"{cgroup.PREFIX}*")]
        assert all(Path(f"/proc/{pid}").exists() for pid in own)


def test_few_processes_are_still_allowed_the_threads_of_every_core() -> None:
    tasks = Limits(memory=1, processes=1, disk=1)._own_tasks
    assert tasks >= 8 * (os.cpu_count() or 1)
