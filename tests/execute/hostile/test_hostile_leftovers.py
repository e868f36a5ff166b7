"""What a script holds where nobody looks, and what it leaves for whoever comes next."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogit.execute.scratch import PREFIX, SHARED_MEMORY, clear_leftovers, scratch
from autogit.files import remove_tree
from autogit.protocols import Ending

if TYPE_CHECKING:
    from conftest import Bench


def folders_of_runs() -> set[Path]:
    return {path for parent in (Path(tempfile.gettempdir()), SHARED_MEMORY) for path in parent.glob(f"{PREFIX}*")}


def test_deep_folders_are_measured_and_removed(bench: Bench) -> None:
    before = folders_of_runs()
    done = bench.run("nests_folders", "0")
    assert done.succeeded, done.log
    assert folders_of_runs() <= before
    assert remove_tree(bench.out) and remove_tree(bench.checkout)


def test_disk_below_the_longest_path_is_counted(bench: Bench) -> None:
    done = bench.run("nests_folders", "20")
    assert done.ending is Ending.LIMIT and "out of disk" in done.reason, done
    assert remove_tree(bench.out) and remove_tree(bench.checkout)


@pytest.mark.parametrize(("how", "reason"), [("unlinked", "out of disk"), ("memfd", "out of host memory")])
def test_what_has_no_name_is_counted(bench: Bench, how: str, reason: str) -> None:
    done = bench.run("hides_what_it_holds", how)
    assert done.ending is Ending.LIMIT and reason in done.reason, done


def test_shared_memory_is_the_runs_own_and_is_counted_as_memory(fenced: Bench) -> None:
    done = fenced.run("hides_what_it_holds", "shm")
    assert done.ending is Ending.LIMIT and "out of host memory" in done.reason, done
    assert not list(SHARED_MEMORY.glob("held-*"))


def test_no_word_is_left_for_the_next_run(fenced: Bench) -> None:
    first, second = fenced.run("leaves_words"), fenced.run("leaves_words")
    for done in (first, second):
        assert done.succeeded, done.log
        assert done.log.split() == ["key", "False", "search", "False", "segment", "False", "shared", "False"]


def test_traps_are_not_walked_into(bench: Bench) -> None:
    bench.checkout.mkdir()
    protected = bench.checkout / "evaluate.py"
    protected.write_text("print(1)\n")
    done = bench.run("makes_traps", str(protected), protected=(protected,))
    if bench.tier == "bubblewrap":
        assert done.succeeded and "protected" in done.log
    else:
        assert done.reason == "changed the protected file evaluate.py"
    assert not os.path.lexists(bench.checkout / ".git")
    assert not [file.name for file in bench.out.iterdir() if file.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


def test_what_a_killed_autogit_left_is_cleared_at_the_next_start() -> None:
    script = (
        "import os, signal\n"
        "from autogit.execute.scratch import scratch\n"
        "with scratch() as own:\n"
        "    print(own.tmp.parent, own.shared, sep='\\n', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    left = [Path(line) for line in done.stdout.split()]
    assert len(left) == 2 and all(path.exists() for path in left)
    with scratch() as used:
        clear_leftovers()
        assert used.tmp.exists() and used.shared.exists()
    assert not any(path.exists() for path in left)
