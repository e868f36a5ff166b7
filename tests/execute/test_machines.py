"""Ordinary machines that are not like the builder's: a whole loop on each, in a process of its own.

Some need what only root may do, in a mount namespace of their own; they are skipped for others, and say so.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import git

TRAIN = """\
import os, sys, tempfile
learning_rate = 0.1
open(os.path.join(sys.argv[1], "checkpoint"), "w").write("1")
tempfile.TemporaryFile().write(b"1")
print("shared memory:", os.access("/dev/shm", os.W_OK))
print("val_loss:", learning_rate)
"""
CONFIG = """\
[train]
command = "{python} -S train.py {out}"
[accept]
rule = "greedy"
seeds = 1
[budget]
timeout = 60
[space]
learning_rate = [0.1, 0.2, 0.3]
"""


def make_lab(folder: Path, train: str = TRAIN, more: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(train)
    (folder / ".autoresearch.toml").write_text(CONFIG + more)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    return folder


def mounted(script: str) -> list[str]:
    """The command that runs `script` in a mount namespace of its own; skips for who may not mount."""
    tried = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("only who may mount can make such a machine")
    return ["unshare", "-m", "sh", "-ec", script]


def loop(lab: Path, machine: str = "", trials: int = 1, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `autogit loop` after `machine`, a shell script that changes the machine for it alone."""
    command = [sys.executable, "-m", "autogit", "loop", "-n", str(trials)]
    script = f"{machine}\nexec {shlex.join(command)}"
    argv = mounted(script) if "mount" in machine else ["sh", "-ec", script]
    return subprocess.run(
        argv, cwd=lab, env={**os.environ, **variables}, text=True, capture_output=True, check=False, timeout=100
    )


def tier_of(lab: Path, trial: int = 0) -> str:
    note = git(lab, "notes", "show", f"exp/{trial}")
    return next(line.split('"')[1] for line in note.splitlines() if line.strip().startswith("sandbox = "))


def strongest() -> str:
    from autogit.execute.probe import probe

    return next(found.tier for found in probe() if found.works)


def assert_runs(lab: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accepted   Baseline" in done.stdout and "exp/1" in done.stdout
    assert tier_of(lab) == strongest()


@pytest.mark.parametrize(
    "machine",
    [
        "mount -t tmpfs -o size=1m tmpfs /dev/shm",
        "mount -t tmpfs -o ro tmpfs /dev/shm",
        "mount -t tmpfs tmpfs /dev; touch /dev/null; rm /dev/null; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/zero"
        " c 1 5; mknod -m 666 /dev/urandom c 1 9; mknod -m 666 /dev/random c 1 8; mknod -m 666 /dev/full c 1 7;"
        " mknod -m 666 /dev/tty c 5 0",
    ],
    ids=["tiny", "read-only", "missing"],
)
def test_shared_memory_that_cannot_be_used_is_replaced_and_doctor_says_so(machine: str, tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab")
    assert_runs(lab, loop(lab, machine))
    script = f"{machine}\n{shlex.join([sys.executable, '-m', 'autogit', 'doctor'])}"
    told = subprocess.run(mounted(script), cwd=lab, capture_output=True, text=True, check=False)
    assert "shared memory of runs lies on the disk" in told.stdout, told.stdout + told.stderr


def test_a_small_temporary_folder_does_not_lower_the_protection(tmp_path: Path) -> None:
    lab, small = make_lab(tmp_path / "lab"), tmp_path / "small"
    small.mkdir()
    assert_runs(lab, loop(lab, f"mount -t tmpfs -o size=30m tmpfs {small}", TMPDIR=str(small)))


def test_programs_cannot_be_started_from_the_temporary_folder(tmp_path: Path) -> None:
    lab, place = make_lab(tmp_path / "lab"), tmp_path / "noexec"
    place.mkdir()
    assert_runs(lab, loop(lab, f"mount -t tmpfs -o noexec tmpfs {place}", TMPDIR=str(place)))


def test_without_proc_one_sentence_says_what_is_missing(tmp_path: Path) -> None:
    done = loop(make_lab(tmp_path / "lab"), "mount -t tmpfs tmpfs /proc")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "/proc is not there" in done.stderr


def test_too_little_disk_is_told_before_the_first_run(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = loop(
        make_lab(tmp_path / "lab"), f"mount -t tmpfs -o size=100m tmpfs {disk}; cp -a . {disk}/lab; cd {disk}/lab"
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "100 MB are free" in done.stderr.replace("105 MB", "100 MB") and "268 MB are needed" in done.stderr


def test_a_disk_that_others_fill_in_the_middle_stops_the_loop_and_leaves_the_trial_open(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # Whatever fills the disk here is no part of the run's own folders.
    train = f"""\
import os, sys, time
learning_rate = 0.1
if learning_rate != 0.1:
    open({str(disk / "full")!r}, "wb").write(b"1" * 250_000_000)
    time.sleep(30)
print("val_loss:", learning_rate)
"""
    lab = make_lab(tmp_path / "lab", train, '[sandbox]\ntier = "rlimits"\ndisk_gb = 1\n')
    machine = f"mount -t tmpfs -o size=400m tmpfs {disk}; cp -a . {disk}/lab; cd {disk}/lab"
    change = "--- a/train.py\n+++ b/train.py\n@@ -2 +2 @@\n-learning_rate = 0.1\n+learning_rate = 0.2\n"
    (tmp_path / "change.diff").write_text(change)
    attempt = [sys.executable, "-m", "autogit", "try", str(tmp_path / "change.diff"), "-m", "Fill the disk"]
    script = (
        f"{machine}\nset +e\n{shlex.join(attempt)}\n"
        "echo status $?\ngit branch --list 'exp/*'\ngit tag\ngit fsck --strict --no-dangling && echo sound"
    )
    done = subprocess.run(mounted(script), cwd=lab, capture_output=True, text=True, check=False, timeout=100)
    assert "are free on the disk" in done.stderr and "the open trial goes on then" in done.stderr, done
    assert "status 0" not in done.stdout and "crashed" not in done.stdout
    *_, branch, tag, sound = done.stdout.split("\n")[:-1]
    assert (branch.strip(), tag, sound) == ("exp/1", "exp/0", "sound")


@pytest.mark.parametrize("name", ["with blanks", "a [1] folder*", "größe-模型"])
def test_paths_of_any_name(name: str, tmp_path: Path) -> None:
    lab, place = make_lab(tmp_path / name / "lab"), tmp_path / name / "tmp"
    place.mkdir()
    assert_runs(lab, loop(lab, TMPDIR=str(place)))


def test_a_umask_that_lets_nobody_else_read(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab")
    assert_runs(lab, loop(lab, "umask 077"))


def test_an_ordinary_user(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("everybody else is one already")
    shared = Path("/tmp") / f"autogit-test-{os.getpid()}"
    try:
        lab = make_lab(shared / "lab")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(__file__).parents[2] / "autogit", shared / "package" / "autogit", ignore=ignored)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"]
        python = next((p for p in (sys.executable, "/usr/bin/python3") if _can_be_used(argv, p)), None)
        if python is None:
            pytest.skip("no interpreter of Python 3.11 or newer that others may read")
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        if subprocess.run([*argv, "ls", packages], capture_output=True, check=False).returncode:
            pytest.skip(f"others may not read {packages}")
        subprocess.run(["chown", "-R", "65534:65534", str(shared)], check=True)
        variables = {**os.environ, "HOME": str(shared), "PYTHONPATH": f"{shared / 'package'}:{packages}"}
        done = subprocess.run(
            [*argv, python, "-m", "autogit", "loop", "-n", "1"],
            cwd=lab, env=variables, text=True, capture_output=True, check=False, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        note = git(lab, "-c", "safe.directory=*", "notes", "show", "exp/0")
        assert f'sandbox = "{strongest()}"' in note
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _can_be_used(argv: list[str], python: str) -> bool:
    script = "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, sys.argv[1:])))"
    version = map(str, sys.version_info[:2])
    return subprocess.run([*argv, python, "-c", script, *version], capture_output=True, check=False).returncode == 0
