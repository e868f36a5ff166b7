"""Each cheat goes through the whole loop, with a tiny budget, and must not be accepted: with the right reason."""

from __future__ import annotations

import re

import pytest
from cheats.cheat import FAST, PROTECTED, SLOW, Cheat
from conftest import git

from autogit import Lab
from autogit.config import FILENAME
from autogit.errors import PatchError
from autogit.execute.probe import probe
from autogit.templates import copy_template

SMALL = {
    FILENAME: [
        (r"(?s)flops = .*?\ncommand = [^\n]*", "steps = 3"),
        (r"\Z", '\n[accept]\nrule = "greedy"\n[prune]\nconfidence = 0\n'),
        (r'direction = "min"', 'direction = "min"\nmin_delta = 1e-4'),
        (r"\[train\]", "[train]\nthreads = 1"),
        (r"# Once at the end.*\naudit = .*\n", ""),
    ],
    "evaluate.py": [("SCORED_BYTES = 49152", "SCORED_BYTES = 16384")],
}
"""Edits of the shipped files that make a trial cheap. Greedy: nothing but the evaluator stands between and `main`."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The shipped workspace with its baseline measured, by one run of three steps."""
    folder = tmp_path_factory.mktemp("cheats") / "gpt"
    copy_template("gpt", folder)
    for name, edits in SMALL.items():
        text = (folder / name).read_text()
        for old, new in edits:
            text, count = re.subn(old, new, text, count=1)
            assert count, f"{name} has no {old}"
        (folder / name).write_text(text)
    git(folder, "commit", "-q", "-a", "-m", "Small")
    lab = Lab.open(folder)
    if not any(tier.works for tier in probe() if tier.tier != "rlimits"):
        pytest.skip("no sandbox on this system: what training reads and writes is not confined")
    return lab


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
    assert re.search(cheat.reason, record.reason), f"{record.verdict}: {record.reason}\n{lab.log(record.id)}"
    assert record.verdict is cheat.verdict
    assert lab.ledger.main() == lab.trial(0).trial.commit
    assert not list(lab.ledger.private.rglob("late")), "nothing that a run started has outlived it"
