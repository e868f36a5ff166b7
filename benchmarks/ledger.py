"""What the ledger costs a trial, at few and at many trials, beside plain git and `dvc exp run`.

    python benchmarks/ledger.py [--trials 10000] [--repeat 60] [--folder FOLDER]

Every lab is real: the trials are made by the ledger itself, only without syncing each one to the disk. That takes its
time; labs in FOLDER are kept, and another run goes on with them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from autogit.config.load import load
from autogit.ledger import GitLedger
from autogit.ledger.git.objects import ObjectStore, format_tree, parse_tree
from autogit.ledger.git.program import Git
from autogit.records import BASELINE, Curve, Proposal, Record, Run, RunStatus, Trial, Verdict

CURVE = Curve(1, "loss", tuple(range(0, 400, 10)), tuple(4.0 / (1 + i) for i in range(40)))
LOG = "".join(f"step {i} loss {4 / (1 + i):.4f}\n" for i in range(100))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="trials in the large lab")
    parser.add_argument("--repeat", type=int, default=60, help="trials that are timed")
    parser.add_argument("--folder", type=Path, help="keep the labs here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autogit-bench-") as name:
        folder = options.folder or Path(name)
        labs = [grown(folder / "small", 10), grown(folder / "large", options.trials)]
        # In turn, so that both have the same weather.
        times = [[timed(lambda lab=lab, i=i: trial(lab, i)) for lab in labs] for i in range(options.repeat)]
        few, many = (sorted(column) for column in zip(*times, strict=True))
        for count, column in ((10, few), (options.trials, many)):
            late = column[len(column) * 9 // 10]
            print(f"{count} trials: one more costs {1e3 * median(column):.1f} ms (median; p90 {1e3 * late:.1f} ms)")
        print(f"{options.trials} trials against 10: {median(many) / median(few):.2f} times")
        for lab in labs:
            lab.close_processes()
        read(folder / "large", Path(name))
        gitpython(folder / "large")
        porcelain(Path(name, "porcelain"), options.repeat)
        dvc(Path(name, "dvc"))


def grown(folder: Path, count: int) -> GitLedger:
    """A lab with at least so many closed trials."""
    ledger = make(folder) if not folder.exists() else opened(folder)
    have = len(ledger.records()) - 1
    with unsynced():
        seconds = timed(lambda: [trial(ledger, number, whole=False) for number in range(have, count)])
    print(f"{count} trials: {max(0, count - have)} made in {seconds:.1f} s without syncing")
    return ledger


def opened(folder: Path) -> GitLedger:
    return GitLedger(load(folder / ".autoresearch.toml"), lambda path: path.endswith(".py"))


def make(folder: Path) -> GitLedger:
    """A lab with its baseline."""
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("learning_rate = 0.1\n" + "# a line of code\n" * 150)
    (folder / "model.py").write_text("# a line of code\n" * 200)
    (folder / ".autoresearch.toml").write_text('[train]\ncommand = "true"\n')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    ledger = opened(folder)
    first = ledger.open(Proposal(ledger.main(), "", "Baseline", BASELINE, BASELINE), {})
    ledger.close(record(first, Verdict.ACCEPTED), LOG, [CURVE])
    return ledger


def trial(ledger: GitLedger, number: int, whole: bool = True) -> None:
    """One rejected trial: open, check out (where it is a whole one), close."""
    text = f"learning_rate = {number}\n".encode() + b"# a line of code\n" * 150
    proposal = Proposal(ledger.main(), "", f"Set the learning rate to {number}", "hyperparameters", "learning_rate")
    begun = ledger.open(proposal, {"train.py": text})
    if whole:
        ledger.checkout(begun.commit, 0)
    ledger.close(record(begun, Verdict.REJECTED), LOG, [CURVE])


def record(of: Trial, verdict: Verdict) -> Record:
    metrics = {"val_loss": 2.8713, "perplexity": 17.66, "throughput_tokens_per_sec": 51234.5, "peak_memory_mb": 812.0}
    run = Run(1, RunStatus.COMPLETED, 6.31, 400, metrics)
    environment = {
        "device": "cpu",
        "threads": 2,
        "python": "3.11.2",
        "torch": "2.13.0",
        "data": "9f2c0ab1",
        "config": "77",
    }
    return Record(of, verdict, "val_loss 2.8713 is 0.0389 above exp/0 (z = 3.4)", metrics, (run,), environment,
                  "python train.py --seed 1", statistics={"effect": 0.0389, "z": 3.4})  # fmt: skip


def read(folder: Path, elsewhere: Path) -> None:
    opening = timed(lambda: opened(folder).close_processes())
    ledger = opened(folder)
    loading = min(timed(ledger.records) for _ in range(3))
    count = len(ledger.records())
    print(f"{count} records: lab opened in {opening:.2f} s, loaded in {loading:.2f} s")
    print(f"git log --notes -20: {1e3 * timed(lambda: git(folder, 'log', '--notes', '-20', '--tags')):.0f} ms")
    before, seconds = size(folder), timed(lambda: ledger.gc())
    print(f".git: {before:.1f} MB as it was, {size(folder):.1f} MB after autogit gc ({seconds:.1f} s)")
    print(f"  {1000 * size(folder) / count:.2f} MB per 1,000 trials; records loaded in "
          f"{min(timed(ledger.records) for _ in range(3)):.2f} s")  # fmt: skip
    clone = elsewhere / "clone"
    seconds = timed(lambda: git(folder.parent, "clone", "-q", f"file://{folder.absolute()}", str(clone)))
    seconds += timed(lambda: git(clone, "fetch", "-q", "origin", "refs/notes/*:refs/notes/*"))
    theirs = opened(clone)
    print(f"clone with notes: {seconds:.1f} s, {len(theirs.records())} records in it")
    theirs.close_processes()
    ledger.close_processes()


def gitpython(folder: Path) -> None:
    """The same reading through the library, which asks git for one object at a time."""
    try:
        import git as library
        from git.objects.fun import tree_entries_from_data, tree_to_stream
    except ImportError:
        print("GitPython: left out, it is not installed (pip install gitpython)")
        return
    listed = subprocess.run(
        ["git", "notes", "list"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.split()[:2000:2]  # fmt: skip
    repository = library.Repo(folder)
    single = timed(lambda: [repository.odb.stream(bytes.fromhex(id)).read() for id in listed])
    store = ObjectStore(Git(folder / ".git"))
    together = timed(lambda: list(store.find_all(listed)))
    root = subprocess.run(
        ["git", "rev-parse", "refs/notes/commits^{tree}"], cwd=folder, capture_output=True, text=True, check=True
    )
    body = store.read(root.stdout.strip(), "tree")
    rounds = range(100)
    theirs = timed(lambda: [tree_to_stream(tree_entries_from_data(body), lambda line: None) for _ in rounds])
    ours = timed(lambda: [format_tree(parse_tree(body, 20)) for _ in rounds])
    print(f"{len(listed)} notes read through GitPython: {1e3 * single:.0f} ms, at once here: {1e3 * together:.0f} ms")
    entries = len(parse_tree(body, 20))
    print(f"a tree of {entries} entries read and written by GitPython: {10 * theirs:.2f} ms, here: {10 * ours:.2f} ms")
    store.close()


def porcelain(folder: Path, repeat: int) -> None:
    """What the same takes with one git command for each step."""
    ledger = make(folder)
    ledger.close_processes()
    note = "\n".join(f"line {i} of a record" for i in range(25))

    def one(number: int) -> None:
        name = f"x/{number}"
        git(folder, "checkout", "-q", "-b", name, "main")
        (folder / "train.py").write_text(f"learning_rate = {number}\n")
        git(folder, "commit", "-q", "-a", "-m", "Change")
        for ref in ("commits", "logs", "curves"):
            git(folder, "notes", "--ref", ref, "add", "-m", note)
        git(folder, "tag", f"y/{number}")
        git(folder, "tag", "-a", "-m", "why", f"z/{number}")
        git(folder, "checkout", "-q", "main")
        git(folder, "branch", "-q", "-D", name)

    print(
        f"plain git commands: median {1e3 * median([timed(lambda i=i: one(i)) for i in range(repeat)]):.1f} ms a trial"
    )


def dvc(folder: Path) -> None:
    program = shutil.which("dvc", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        print("dvc exp run: left out, dvc is not installed (pip install dvc)")
        return
    folder.mkdir()
    (folder / "train.py").write_text("pass\n")
    (folder / "params.yaml").write_text("lr: 0\n")
    (folder / "dvc.yaml").write_text("stages:\n  train:\n    cmd: 'true'\n    deps: [train.py]\n    params: [lr]\n")
    git(folder, "init", "-q", "-b", "main")
    subprocess.run([program, "init", "-q"], cwd=folder, check=True)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")

    def one(number: int) -> None:
        subprocess.run([program, "exp", "run", "-q", "-S", f"lr={number}"], cwd=folder, check=True, capture_output=True)

    print(f"dvc exp run: median {1e3 * median([timed(lambda i=i: one(i + 1)) for i in range(5)]):.0f} ms a trial")


@contextmanager
def unsynced() -> Iterator[None]:
    """Makes a lab quickly: what is lost in a power cut is a benchmark's."""
    sync = os.fsync
    os.fsync = lambda file: None
    try:
        yield
    finally:
        os.fsync = sync


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def size(folder: Path) -> float:
    """Megabytes of `.git`, as the disk counts them, without the lab's private folder."""
    said = subprocess.run(
        ["du", "-sk", "--exclude=autogit", ".git"], cwd=folder, capture_output=True, text=True, check=True
    )
    return int(said.stdout.split()[0]) / 1000


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
