"""Each hostile script as a trial of a whole lab: it gets the verdict it deserves, and the lab is as it was."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import psutil
import pytest
from conftest import git
from toy import branches

from autogit import Lab
from autogit.execute.probe import probe
from autogit.records import Verdict

SCRIPTS = Path(__file__).parent / "scripts"
HONEST = 'print("val_loss: 0.5")\n'
CONFIG = """\
[train]
command = "{python} -S train.py {out}"
editable = ["train.py"]
protected = ["evaluate.py"]
[accept]
rule = "greedy"
seeds = 1
[budget]
timeout = 8
grace = 0.3
[sandbox]
memory_gb = 0.25
processes = 40
disk_gb = 0.05
output_mb = 1.0
"""
WORSE = "above exp/0"
"""It ran, and what it printed was judged like anyone else's."""
EXPECTED = {
    "hangs": (Verdict.TIMED_OUT, "still running after 8 s"),
    "double_forks": (Verdict.REJECTED, WORSE),
    "holds_the_pipe": (Verdict.REJECTED, WORSE),
    "runs_away": (Verdict.REJECTED, WORSE),
    "leaves_a_stopped_process": (Verdict.REJECTED, WORSE),
    "forks_without_end": (Verdict.CRASHED, "too many processes"),
    "allocates_without_end": (Verdict.CRASHED, "out of host memory"),
    "allocates_in_children": (Verdict.CRASHED, "out of host memory"),
    "fills_the_disk": (Verdict.CRASHED, "out of disk"),
    "fills_the_temporary_folder": (Verdict.CRASHED, "out of disk"),
    "writes_one_huge_file": (Verdict.CRASHED, "out of disk"),
    "prints_gigabytes": (Verdict.REJECTED, "val_loss 1.25"),
    "prints_one_endless_line": (Verdict.REJECTED, "val_loss 1.25"),
    "prints_binary": (Verdict.REJECTED, "val_loss 1.25"),
    "prints_progress_bars": (Verdict.REJECTED, "val_loss 1.25"),
    "prints_escapes": (Verdict.REJECTED, "val_loss 1.25"),
    "closes_stdout": (Verdict.REJECTED, "val_loss 1.25"),
    "prints_nan": (Verdict.UNSTABLE, "nan"),
    "prints_nothing": (Verdict.CRASHED, 'no "val_loss" in the output'),
    "raises": (Verdict.CRASHED, "KeyError: 'query' (train.py:2)"),
    "dies_by_signal SIGSEGV": (Verdict.CRASHED, "killed by SIGSEGV"),
    "out_of_memory_errors gpu": (Verdict.CRASHED, "out of GPU memory"),
    "writes_everywhere {lab} {lab}/.git {lab}/train.py {home}": (Verdict.REJECTED, WORSE),
    "reads_secrets {home}/.ssh/id_ed25519": (Verdict.CRASHED, 'no "val_loss" in the output'),
    "changes_the_clock": (Verdict.CRASHED, 'no "val_loss" in the output'),
    "changes_the_seed": (Verdict.REJECTED, WORSE),
    "changes_protected": (Verdict.CRASHED, "evaluate.py"),
    # Without an evaluator a script's last word counts, and the record says whose word it is.
    "prints_twice": (Verdict.ACCEPTED, "val_loss 0.01"),
}


@pytest.mark.timeout(300)
def test_every_script_gets_its_verdict_and_harms_nothing(tmp_path: Path, isolated_home: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (isolated_home / ".ssh").mkdir()
    (isolated_home / ".ssh" / "id_ed25519").write_text("the private key")
    files = {"train.py": HONEST, "evaluate.py": "print('val_loss: 3')\n", ".autoresearch.toml": CONFIG}
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    start, lab = git(folder, "rev-parse", "main"), Lab.open(folder)
    # The configuration lies there: bubblewrap, the first, lets nobody delete it; elsewhere that is noticed afterwards.
    safe = probe()[0].works
    deleted = (Verdict.REJECTED, WORSE) if safe else (Verdict.CRASHED, "changed the protected file")

    for case, (verdict, reason) in (("deletes_its_checkout", deleted), *EXPECTED.items()):
        name, *arguments = case.format(lab=folder, home=isolated_home).split()
        text = f"import sys\nsys.argv[2:] = {arguments}\n" if arguments else ""
        diff = difflib.unified_diff(
            HONEST.splitlines(keepends=True),
            (text + (SCRIPTS / f"{name}.py").read_text()).splitlines(keepends=True),
            "a/train.py",
            "b/train.py",
        )
        record = lab.attempt("".join(diff), case)
        assert (record.verdict, reason in record.reason) == (verdict, True), f"{case}: {record.verdict} {record.reason}"
        assert "the private key" not in lab.log(record.id)
        assert left_of(folder) == [], case
        if verdict is not Verdict.ACCEPTED:
            assert git(folder, "rev-parse", "main") == start
            assert {name: (folder / name).read_text() for name in files} == files
    assert branches(folder) == ["main"]
    assert sorted(path.name for path in isolated_home.rglob("*") if "written-by" in path.name) == []
    git(folder, "fsck", "--strict")


def left_of(folder: Path) -> list[str]:
    """Processes that work in a slot of the lab or were started there."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if "train.py" in " ".join(line) and sys.executable in line and str(folder) in process.cwd():
                found.append(" ".join(line))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found
