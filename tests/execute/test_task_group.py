"""The control group that bounds how many tasks a run of root has."""

from __future__ import annotations

import os

import pytest

from autogit.execute.reaper import cgroup


def test_a_group_that_a_living_process_made_is_not_swept_by_another() -> None:
    group = cgroup.make(10)
    if group is None:
        pytest.skip("this system lets nobody make a control group")
    dead = group.with_name(f"{cgroup.PREFIX}{2**22 + os.getpid()}")
    dead.mkdir()
    child = os.fork()
    if child == 0:
        other = cgroup.make(10)
        if other is not None:
            cgroup.remove(other)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        assert group.is_dir() and not dead.exists()
    finally:
        cgroup.remove(group)
    assert not group.exists()
