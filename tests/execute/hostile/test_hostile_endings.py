"""Whatever a script does, its run ends, says why, and nothing of it is left (the bench looks for that)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogit.protocols import Ending

if TYPE_CHECKING:
    from conftest import Bench


def test_a_hang_ends_at_its_timeout(bench: Bench) -> None:
    done = bench.run("hangs", timeout=0.4)
    assert (done.ending, done.status) == (Ending.TIMEOUT, -9)
    assert done.reason == "timeout: still running after 0.4 s"


def test_a_script_that_ignores_sigterm_is_killed_after_its_grace(bench: Bench) -> None:
    done = bench.run("ignores_sigterm", seconds=1.5)
    assert (done.ending, done.status) == (Ending.BUDGET, -9)
    assert "had not finished 0.3 s after its budget of 1.5 s" in done.reason


def test_a_budget_leaves_time_for_a_summary(bench: Bench) -> None:
    done = bench.run("finishes_in_good_order", seconds=1.5, grace=20.0)
    assert (done.ending, done.status, done.reason) == (Ending.BUDGET, 0, "")
    assert bench.ear.lines[-1] == "val_loss: 1.5"


@pytest.mark.parametrize("script", ["double_forks", "holds_the_pipe", "runs_away", "leaves_a_stopped_process"])
def test_descendants_do_not_survive(bench: Bench, script: str) -> None:
    done = bench.run(script)
    assert done.succeeded
    assert bench.ear.lines == ["val_loss: 1.0"]


def test_a_script_that_kills_what_started_it_gains_nothing(bench: Bench) -> None:
    """Where the tier leaves the reaper in reach, what it kept is found by its mark."""
    done = bench.run("kills_its_reaper")
    if bench.tier == "rlimits":
        assert (done.ending, done.reason) == (Ending.LIMIT, "its reaper was killed or did not answer")
    else:
        assert done.succeeded


def test_a_fork_bomb_breaks_the_limit_of_processes(bench: Bench) -> None:
    done = bench.run("forks_without_end")
    assert done.ending is Ending.LIMIT
    assert "sandbox.processes allows 40" in done.reason


@pytest.mark.parametrize("script", ["allocates_without_end", "allocates_in_children"])
def test_memory_is_limited_over_the_whole_tree(bench: Bench, script: str) -> None:
    done = bench.run(script)
    assert done.ending is Ending.LIMIT
    assert done.reason.startswith("out of host memory") and done.reason.endswith("sandbox.memory_gb allows 0.25")
    assert done.peak_memory is not None and done.peak_memory > 0.25e9


@pytest.mark.parametrize("script", ["fills_the_disk", "fills_the_temporary_folder"])
def test_the_disk_is_limited_over_all_folders(bench: Bench, script: str) -> None:
    done = bench.run(script)
    assert done.ending is Ending.LIMIT
    assert done.reason.startswith("out of disk") and done.reason.endswith("sandbox.disk_gb allows 0.05")


def test_a_single_file_is_limited_by_the_kernel(bench: Bench) -> None:
    done = bench.run("writes_one_huge_file")
    assert done.reason.startswith("out of disk")
    assert (bench.checkout / "huge").stat().st_size <= 50_000_000


def test_gigabytes_of_output_are_bounded_and_the_last_words_are_read(strongest: Bench) -> None:
    done = strongest.run("prints_gigabytes")
    assert done.succeeded
    assert len(done.log) < 200_000 and "bytes left out" in done.log
    assert strongest.ear.lines[-1] == "val_loss: 1.25"


def test_an_endless_line_is_bounded(strongest: Bench) -> None:
    done = strongest.run("prints_one_endless_line")
    assert done.succeeded and len(done.log) < 200_000
    assert strongest.ear.lines[-1] == "val_loss: 1.25"
    assert max(map(len, strongest.ear.lines)) < 20_000


@pytest.mark.parametrize("script", ["prints_binary", "prints_progress_bars", "prints_escapes"])
def test_a_log_is_clean_text(strongest: Bench, script: str) -> None:
    done = strongest.run(script)
    assert done.succeeded
    assert "val_loss: 1.25" in strongest.ear.lines
    assert all(character.isprintable() or character in "\n\t�" for character in done.log)


def test_a_progress_bar_leaves_only_its_last_state(strongest: Bench) -> None:
    done = strongest.run("prints_progress_bars")
    assert done.log.splitlines() == ["100%|##########| 100/100 [00:01<00:00, 50.0it/s]", "val_loss: 1.25"]
    assert "  7%|          | 7/100 [00:01<00:00, 50.0it/s]" in strongest.ear.lines


def test_a_script_without_output_is_waited_for(strongest: Bench) -> None:
    done = strongest.run("closes_stdout")
    assert done.succeeded and done.seconds >= 0.5


def test_the_monitor_ends_a_run(bench: Bench) -> None:
    done = bench.run("prints_nan")
    assert done.ending is Ending.HALTED
    assert done.reason == "loss is nan" and done.halt is not None
    assert done.log == "step 1 loss 2.0\nstep 2 loss nan\n"


def test_both_values_reach_the_monitor(strongest: Bench) -> None:
    assert strongest.run("prints_twice").succeeded
    assert strongest.ear.lines == ["val_loss: 1.25", "val_loss: 0.01"]


def test_a_run_may_say_nothing(strongest: Bench) -> None:
    done = strongest.run("prints_nothing")
    assert (done.ending, done.status, done.log) == (Ending.EXITED, 0, "")


def test_every_signal_is_named(strongest: Bench) -> None:
    harmless = {"SIGCHLD", "SIGCLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
    for number in signal.Signals:
        if number.name not in harmless:
            done = strongest.run("dies_by_signal", number.name)
            assert (done.ending, done.status) == (Ending.EXITED, -number), number
            assert f"killed by {signal.Signals(number).name}" in done.reason


def test_an_exception_is_told_with_its_place(strongest: Bench) -> None:
    done = strongest.run("raises")
    assert done.status == 1
    assert done.reason == "KeyError: 'query' (train.py:2)"


@pytest.mark.parametrize(("kind", "reason"), [("gpu", "out of GPU memory"), ("host", "out of host memory")])
def test_a_shortage_of_memory_is_told_from_other_exceptions(strongest: Bench, kind: str, reason: str) -> None:
    assert strongest.run("out_of_memory_errors", kind).reason.startswith(reason)


def test_a_command_that_does_not_exist_says_so(bench: Bench) -> None:
    done = bench.run("prints_nothing", command="no-such-program --seed 1")
    assert done.status == 127
    assert "no-such-program" in done.reason and "not found" in done.reason


def test_cancelling_ends_a_run_at_once(bench: Bench) -> None:
    class Cancelling:
        def line(self, text: str, seconds: float) -> None:
            bench.cancel.set()

        def tick(self, seconds: float, cpu: float | None) -> None:
            pass

    bench.ear = Cancelling()  # type: ignore[assignment]
    done = bench.run("ignores_sigterm")
    assert (done.ending, done.status) == (Ending.CANCELLED, -9)


def test_a_run_that_is_cancelled_before_it_began_ends_too(bench: Bench) -> None:
    bench.cancel.set()
    assert bench.run("ignores_sigterm").ending is Ending.CANCELLED


def test_two_runs_side_by_side_do_not_end_each_other(bench: Bench, tmp_path: Path) -> None:
    done = []
    (tmp_path / "other").mkdir()
    other = type(bench)(bench.tier, tmp_path / "other")
    thread = threading.Thread(target=lambda: done.append(other.run("closes_stdout")))
    thread.start()
    assert bench.run("double_forks").succeeded
    thread.join()
    assert done[0].succeeded


def test_no_descriptor_of_autogit_is_left_open(strongest: Bench) -> None:
    strongest.run("prints_nothing")
    before = len(list(Path("/dev/fd").iterdir()))
    strongest.run("double_forks")
    assert len(list(Path("/dev/fd").iterdir())) == before
