"""The provisional line, over real git and real runs: kept, proved as a whole, or given up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from conftest import git
from toy import TRAIN, add_commit, make_toy

from autogit import Lab
from autogit.events import Event, Proof
from autogit.records import Verdict

STACK = '[accept]\nrule = "stack"\n'
NOISE_ALONE = "print(f\"val_loss: {1 + random.Random(f'{seed} {learning_rate} {width} {dropout}').gauss(0, 0.1)}\")"


def luck(folder: Path) -> Path:
    """A lab in which nothing but luck decides."""
    train = TRAIN[: TRAIN.index("for step")] + NOISE_ALONE + "\n"
    return make_toy(folder, train=train, more=STACK)


def next_of(folder: Path) -> str:
    return git(folder, "for-each-ref", "--format=%(objectname)", "refs/autogit/next")


def test_a_loop_keeps_proves_and_hands_over(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more=STACK)
    proofs: list[Proof] = []
    Lab.open(folder).loop(trials=10, observer=lambda e: proofs.append(e) if isinstance(e, Proof) else None)
    lab = Lab.open(folder)
    assert len(lab.trial(0).runs) > 1 and lab.trial(0).runs[0].seed == 1, "one run of the baseline, then proofs"
    assert proofs[-1].proved and {r.verdict for r in proofs[-1].trials} == {Verdict.ACCEPTED}
    best = lab.best()
    assert best is not None and best.proof is not None and best.proof["low"] > 0
    assert git(folder, "rev-parse", "main") == best.trial.commit and next_of(folder) == ""
    line = git(folder, "rev-list", "--first-parent", "exp/0..main").split()
    assert [r.trial.commit for r in reversed(lab.history.accepted)] == line
    improvement = lab.improvement(best)
    assert improvement is not None and improvement > 0
    steps = [r for r in lab.history.accepted if r.proof is None]
    assert all(lab.improvement(step) is None for step in steps), "a step inside a line has no percentage"
    total = lab.total_gain()
    assert total is not None and total.low < total.value < total.high
    assert git(folder, "fsck", "--no-dangling") == ""


def test_luck_is_kept_and_not_proved(tmp_path: Path) -> None:
    folder = luck(tmp_path / "lab")
    start = git(folder, "rev-parse", "main")
    Lab.open(folder).loop(trials=30)
    lab = Lab.open(folder)
    unproved = [r for r in lab.trials() if r.verdict is Verdict.UNPROVED]
    assert unproved and git(folder, "rev-parse", "main") == start and next_of(folder) == ""
    for record in unproved:
        assert "not proved" in record.reason
        assert "unproved" in git(folder, "tag", "-n1", "-l", f"dead/{record.id}")
    assert not any(r.verdict is Verdict.KEPT for r in lab.trials()), "the end of a loop leaves nothing open"


def test_what_is_kept_can_be_checked_out_and_shown(tmp_path: Path) -> None:
    """While a loop runs: the tag and the note of a kept trial are there, `main` has not moved."""
    folder = make_toy(tmp_path / "lab", more=STACK)
    seen = []

    def look(event: Event) -> None:
        kept = [r for r in Lab.open(folder).trials() if r.kept]
        if kept and not seen:
            seen.append((kept[0].trial.ref, git(folder, "rev-parse", "main"), next_of(folder)))

    lab = Lab.open(folder)
    lab.loop(trials=4, observer=lambda e: look(e) if type(e).__name__ == "Closed" else None)
    (ref, main, tip) = seen[0]
    assert main == git(folder, "rev-parse", "exp/0") and tip == git(folder, "rev-parse", ref)


def test_a_persons_commit_starts_the_line_anew(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more=STACK)
    made: list[str] = []

    def interfere(event: Event) -> None:
        if type(event).__name__ == "Closed" and event.record.kept and not made:  # type: ignore[union-attr]
            made.append(add_commit(folder, "mine.txt", "mine\n"))

    Lab.open(folder).loop(trials=6, observer=interfere)
    lab = Lab.open(folder)
    gone = [r for r in lab.trials() if "main went another way" in r.reason]
    assert gone and all(r.verdict is Verdict.UNPROVED for r in gone)
    assert git(folder, "merge-base", "--is-ancestor", made[0], "main") == ""
    assert any(r.trial.is_baseline and r.trial.commit == made[0] for r in lab.trials())


def test_a_kill_in_the_middle_of_a_proof_loses_nothing(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more=STACK)
    script = (
        "import os, signal, sys\nfrom autogit import Lab\nfrom autogit.events import Ran\nkept = []\n"
        "def look(event):\n"
        "    if type(event).__name__ == 'Closed' and event.record.kept: kept.append(event.record.id)\n"
        "    if isinstance(event, Ran) and kept and event.run.seed != 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Lab.open(sys.argv[1]).loop(trials=6, observer=look)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], env=os.environ, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    before = {r.id: r for r in Lab.open(folder).trials()}
    kept = [r for r in before.values() if r.kept]
    assert kept, "the killed loop had kept something"
    Lab.open(folder).loop(trials=1)
    lab = Lab.open(folder)
    for record in before.values():
        again = lab.trial(record.id)
        assert again.runs[: len(record.runs)] == record.runs, "no run was lost or made twice"
        assert len({run.seed for run in again.runs}) == len(again.runs)
    assert lab.trial(kept[-1].id).verdict in (Verdict.ACCEPTED, Verdict.UNPROVED)
    assert git(folder, "fsck", "--no-dangling") == ""
