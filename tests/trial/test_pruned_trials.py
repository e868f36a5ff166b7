"""Early stopping in a whole loop: who is stopped, what is recorded, and what the audit says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from toy import make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.evaluate.pruning import reshaped, warm_up
from autogit.records import RunStatus, Verdict

TRAIN = '''\
"""Every change of the learning rate makes it worse, and its curve tells early."""
import random
import sys

learning_rate = 0.1
width = 8
dropout = 0.5

noise = random.Random(int(sys.argv[1])).gauss(0, 0.01)
behind = abs(learning_rate - 0.1)
for step in range(1, 41):
    print(f"step {step} monitor_loss {2 / step + behind + noise:.4f}", flush=True)
print(f"val_loss: {1 + behind + noise:.6f}")
'''
SPACE = "[space]\nlearning_rate = { low = 1.0, high = 100.0, log = true }\n[budget]\nsteps = 40\n"


def test_what_cannot_win_is_stopped_and_one_in_ten_is_audited(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", TRAIN)
    config = (folder / ".autoresearch.toml").read_text()
    kept = config.split("[space]")[0] + SPACE + config[config.index("[sandbox]") :]
    (folder / ".autoresearch.toml").write_text(kept)
    Lab.open(folder).loop(trials=11)
    trials = Lab.open(folder).trials()
    pruned = [trial for trial in trials if trial.verdict is Verdict.PRUNED]
    assert len(pruned) >= 8
    for trial in pruned:
        (run,) = trial.runs
        assert run.status is RunStatus.PRUNED and "behind the incumbent's with the same seed" in run.reason
        assert run.step is not None and run.step <= 21, "half-way at the latest"
    (spared,) = [trial for trial in trials if trial.statistics.get("spared")]
    assert (spared.id, spared.verdict) == ("10", Verdict.REJECTED)

    runner = CliRunner()
    told = json.loads(runner.invoke(cli, ["-C", str(folder), "trends", "--json"]).output)["pruning"]
    assert told == {"stopped": len(pruned), "spared": 1, "won": 0}
    line = f"stopped early: {len(pruned)}; spared to check that: 1, of which 0 would have won"
    assert line in runner.invoke(cli, ["-C", str(folder), "trends"]).output


@pytest.mark.parametrize(
    ("line", "step"),
    [("warmup_steps = 10", 10), ("WARMUP: int = 1_000  # steps", 1000), ("warmup_ratio = 0.25", 100), ("x = 3", 0)],
)
def test_the_warm_up_is_read_from_the_code(line: str, step: int) -> None:
    assert warm_up({"train.py": f"import math\n\n{line}\nlearning_rate = 3\n"}, 400) == step


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("+weight_decay = 0.1", False), ("-    return min(1.0, step / warmup_steps)", True),
        ("-warmup_steps = 10", False), ("+    lr = cosine_decay(step)", True),
        ("+def get_lr(step):", True), (" schedule = None", False), ("+learning_rate = 0.1", False),
        ("+learning_rate = 0.1  # constant after the warmup", False), ("+# the schedule", False),
    ],
)  # fmt: skip
def test_a_change_of_the_schedules_shape_is_told_from_others(line: str, shape: bool) -> None:
    assert reshaped(f"--- a/decay.py\n+++ b/decay.py\n@@ -1 +1 @@\n{line}\n") == shape


def test_a_change_that_removes_code_need_not_lead_where_it_may_cost_something(tmp_path: Path) -> None:
    train = TRAIN.replace("dropout = 0.5\n", "dropout = 0.5\nextra = 1\n").replace(
        "behind = abs(learning_rate - 0.1)",
        "behind = abs(learning_rate - 0.1) + (0.001 if 'extra' not in globals() else 0)",
    )
    diff = "--- a/train.py\n+++ b/train.py\n@@ -7,3 +7,2 @@\n width = 8\n dropout = 0.5\n-extra = 1\n"
    verdicts = {}
    for margin in (0, 3):
        lab = Lab.open(make_toy(tmp_path / f"lab{margin}", train, f"[budget]\nsteps = 40\n[accept]\nmargin = {margin}"))
        verdicts[margin] = lab.attempt(diff, "Without what is extra").verdict
    assert verdicts == {0: Verdict.PRUNED, 3: Verdict.ACCEPTED}
