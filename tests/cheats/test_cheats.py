"""Each cheat goes through the whole loop, with a tiny budget, and must not be accepted: with the right reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cheats.cheat import FAST, LONGER, PROTECTED, SLOW, Cheat
from conftest import git

from autogit import Lab
from autogit.config.model import FILENAME
from autogit.errors import PatchError
from autogit.execute.probe import probe
from autogit.records import Verdict
from autogit.setup.templates import copy_template

SMALL = [
    (FILENAME, r"\Z", '\n[accept]\nrule = "greedy"\n[prune]\nconfidence = 0\n'),
    (FILENAME, r'direction = "min"', 'direction = "min"\nmin_delta = 1e-4'),
    (FILENAME, r"\[train\]", "[train]\nthreads = 1"),
    (FILENAME, r"# Once at the end.*\naudit = .*\n", ""),
    ("evaluate.py", "SCORED_BYTES = 49152", "SCORED_BYTES = 16384"),
]
"""Edits of the shipped files that make a trial cheap. Greedy: nothing but the evaluator stands between and `main`."""
FEW_STEPS = (FILENAME, r"(?s)flops = .*?\n\n", "steps = 3\n\n")
LITTLE_COMPUTE = (FILENAME, r"(?m)^flops = .*$", "flops = 1.65e10")
SOON = (FILENAME, r"\[evaluate\]", "[evaluate]\ntimeout = 60")


def shipped(folder: Path, *edits: tuple[str, str, str]) -> Lab:
    """The shipped workspace in `folder`, edited: (file, what stands there, what is put there)."""
    if not any(tier.works for tier in probe() if tier.tier != "rlimits"):
        pytest.skip("no sandbox on this system: what training reads and writes is not confined")
    copy_template("gpt", folder)
    for name, old, new in edits:
        text, count = re.subn(old, new, (folder / name).read_text(), count=1)
        assert count, f"{name} has no {old}"
        (folder / name).write_text(text)
    git(folder, "commit", "-q", "-a", "-m", "Small")
    return Lab.open(folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Trials of three steps."""
    return shipped(tmp_path_factory.mktemp("cheats") / "gpt", *SMALL, FEW_STEPS)


@pytest.fixture(scope="module")
def budgeted(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Trials with the compute of forty steps of the baseline."""
    return shipped(tmp_path_factory.mktemp("budgets") / "gpt", *SMALL, LITTLE_COMPUTE, SOON)


@pytest.mark.parametrize("cheat", PROTECTED, ids=lambda cheat: cheat.name)
def test_protected_files_are_out_of_reach(lab: Lab, cheat: Cheat) -> None:
    before = len(lab.trials())
    with pytest.raises(PatchError, match=cheat.reason):
        lab.attempt(cheat.diff(lab.ledger.root), cheat.name)
    assert len(lab.trials()) == before, "it is no trial"


@pytest.mark.parametrize(
    "cheat", [*FAST, *(pytest.param(cheat, marks=pytest.mark.slow) for cheat in SLOW)], ids=lambda cheat: cheat.name
)
def test_a_cheat_is_never_accepted(lab: Lab, cheat: Cheat) -> None:
    record = lab.attempt(cheat.diff(lab.ledger.root), cheat.name)
    verdict, reason = cheat.expected(str(record.environment["sandbox"]))
    assert re.search(reason, record.reason), f"{record.verdict}: {record.reason}\n{lab.log(record.id)}"
    assert record.verdict is verdict
    assert lab.ledger.main() == lab.trial(0).trial.commit
    assert not list(lab.ledger.private.rglob("late")), "nothing that a run started has outlived it"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("cheat", LONGER, ids=lambda cheat: cheat.name)
def test_training_longer_is_no_progress(budgeted: Lab, cheat: Cheat) -> None:
    test_a_cheat_is_never_accepted(budgeted, cheat)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_improvement_is_accepted(budgeted: Lab) -> None:
    better = Cheat("", "train.py", "learning_rate = 1e-3", "learning_rate = 3e-3", Verdict.ACCEPTED, "")
    assert budgeted.attempt(better.diff(budgeted.ledger.root), "Learn faster").accepted
