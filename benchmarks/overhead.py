"""What autogit adds between two trainings, and what a second job brings.

    python benchmarks/overhead.py [--trials 40]

The training script sleeps for 0.3 seconds and prints when it began and ended; each trial is one run. Told is the time
from the end of one training to the start of the next, the interpreter's own start and end included. Beside it: the same
command in a plain loop, and `dvc exp run` of the same command where dvc is installed (on PATH). Then the same loop with
a training that sleeps for a second, with one job and with two.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autogit import Lab

TRAIN = """\
import time

learning_rate = {rate}
width = {width}
print(f"began: {{time.time()}}", flush=True)
time.sleep({sleep})
print(f"val_loss: {{1 / width + learning_rate}}")
print(f"ended: {{time.time()}}")
"""
CONFIG = """\
[train]
command = "{python} train.py"
editable = ["train.py"]
[accept]
rule = "greedy"
seeds = 1
[space]
learning_rate = { low = 0.001, high = 1.0, log = true }
width = { low = 1, high = 1000 }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as made:
        folder = workspace(Path(made) / "lab")
        report("bare command", gaps([bare(folder) for _ in range(trials)]))
        lab = Lab.open(folder)
        lab.loop(trials=trials)
        logs = [
            log for r in lab.trials() for log in re.split(r"^== seed .*$", lab.log(r.id), flags=re.M) if log.strip()
        ]
        report("autogit loop", gaps(logs))
        if shutil.which("dvc") is None:
            print("dvc exp run      skipped: dvc is not installed (pip install dvc)")
        else:
            report("dvc exp run", gaps(dvc(workspace(Path(made) / "dvc"), min(trials, 10))))
        # Begun at the optimum, so that nothing is accepted: a change of main is tried again, and that is more to do.
        rates = [rate(workspace(Path(made) / f"jobs-{jobs}", 1.0, 0.001, 1000), jobs, trials) for jobs in (1, 2)]
        ratio = rates[1] / rates[0]
        print(f"trials an hour   one job {rates[0]:.0f}, two jobs {rates[1]:.0f}: {ratio:.2f} times as many")


def workspace(folder: Path, sleep: float = 0.3, rate: float = 0.5, width: int = 500) -> Path:
    """A repository with the script and its configuration; `rate` and `width` are where it begins."""
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN.format(sleep=sleep, rate=rate, width=width))
    (folder / ".autoresearch.toml").write_text(CONFIG)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "Start"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def bare(folder: Path) -> str:
    return subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, text=True, check=True).stdout


def dvc(folder: Path, trials: int) -> list[str]:
    """Logs of `dvc exp run` with another parameter each time."""

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    (folder / "params.yaml").write_text("n: 0\n")
    (folder / "dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: {sys.executable} train.py >> {folder.parent}/dvc.log\n    params: [n]\n"
    )
    run("dvc", "init", "-q")
    run("git", "add", ".")
    run("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "dvc")
    for n in range(1, trials + 1):
        run("dvc", "exp", "run", "-q", "-S", f"n={n}")
    return (folder.parent / "dvc.log").read_text().split("began")[1:]


def gaps(logs: list[str]) -> list[float]:
    """Seconds from the end of each training to the start of the next, in the order of time."""
    text = "\n".join("began" + log if not re.search(r"began", log) else log for log in logs)
    pairs = zip(re.findall(r"began: ([\d.]+)", text), re.findall(r"ended: ([\d.]+)", text), strict=True)
    spans = sorted((float(began), float(ended)) for began, ended in pairs)
    return [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]


def rate(folder: Path, jobs: int, trials: int) -> float:
    """Trials an hour of a loop, the baseline and those that could not run not counted."""
    lab = Lab.open(folder)
    lab.loop(trials=1, jobs=jobs)
    before, started = len(lab.trials()), time.monotonic()
    lab.loop(trials=trials, jobs=jobs)
    seconds = time.monotonic() - started
    return 3600 * sum(bool(record.runs) for record in lab.trials()[before:]) / seconds


def report(name: str, seconds: list[float]) -> None:
    ordered = sorted(1000 * s for s in seconds)
    low, middle, high = ordered[len(ordered) // 10], statistics.median(ordered), ordered[-1 - len(ordered) // 10]
    print(f"{name:<16} median {middle:6.1f} ms   10% {low:6.1f}   90% {high:6.1f}")


if __name__ == "__main__":
    started = time.time()
    main()
    print(f"{time.time() - started:.0f} s in all")
