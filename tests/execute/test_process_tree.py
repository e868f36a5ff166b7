from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autogit.execute.reaper import processes as tree


def test_descendants_are_found_with_parents_first() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'cat; true'; true"], stdin=subprocess.PIPE) as shell:
        found: list[tree.Process] = []
        # A child is a copy of its parent until it has become its program.
        while [process.name for process in found] != ["sh", "cat"]:
            assert shell.poll() is None
            found = tree.descendants(shell.pid)
        assert found[0].parent == shell.pid and found[1].parent == found[0].pid
        assert all(process.alive and process.resident > 0 for process in found)
        assert 0 < sum(tree.memory_of(found)) <= sum(process.resident for process in found)
        shell.communicate()
    assert tree.descendants(shell.pid) == []


def test_without_proc_the_same_is_asked_of_ps() -> None:
    mine = {process.pid: process for process in tree._from_ps()}[os.getpid()]
    own = {process.pid: process for process in tree._everything()}[os.getpid()]
    assert (mine.parent, mine.group, mine.alive) == (own.parent, own.group, True)
    assert 0.5 < mine.resident / own.resident < 2


def test_a_name_with_blanks_and_parentheses_is_no_puzzle(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/cat")
    with subprocess.Popen([program], stdin=subprocess.PIPE) as odd:
        found = {process.pid: process for process in tree._everything()}[odd.pid]
        assert found.parent == os.getpid()
        odd.communicate()


def test_processes_are_found_by_their_mark() -> None:
    mark = f"MARK=of-{os.getpid()}"
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE,
                          env={"MARK": mark.partition("=")[2]}, stderr=subprocess.DEVNULL) as child:  # fmt: skip
        while tree.marked(mark.encode()) != [child.pid]:
            assert child.poll() is None
        child.communicate()
    assert tree.marked(mark.encode()) == []
