"""Training scripts in other people's habits run under `init` and `loop` as they are."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import git

from autogit import Lab
from autogit.cli import cli

pytest.importorskip("sklearn", reason="the examples need scikit-learn: pip install -e '.[examples]'")
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    name: str
    command: str
    metric: str
    direction: str
    parameter: str
    low: float
    high: float
    """Where the baseline's metric lies, generously."""


BOOSTING = Example(
    "cancer-sklearn", "{python} fit.py --random-state {seed}", "accuracy", "max", "learning_rate", 0.9, 1.0
)
WITH_TORCH = [
    Example(
        "digits-cnn", "{python} main.py --seed {seed} --output-dir {out}", "val_loss", "min", "weight_decay", 0.01, 2.3
    ),
    Example("diabetes", "SEED={seed} {python} train.py", "val_rmse", "min", "WEIGHT_DECAY", 40, 80),
    Example(
        "topics-lm",
        "{python} -m charlm.train --config configs/base.yaml --seed {seed}",
        "val_loss",
        "min",
        "lr",
        1.5,
        3.5,
    ),
]


def test_scikit_learn_scored_by_accuracy(tmp_path: Path) -> None:
    research(BOOSTING, tmp_path / "lab")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", WITH_TORCH, ids=lambda example: example.name)
def test_torch_with_options_constants_or_yaml(example: Example, tmp_path: Path) -> None:
    research(example, tmp_path / "lab")


def research(example: Example, folder: Path) -> None:
    shutil.copytree(EXAMPLES / example.name, folder, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "Start")
    for command in (["init"], ["doctor"], ["loop", "-n", "2"]):
        done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), *command])
        assert done.exit_code == 0, done.output
    lab = Lab.open(folder)
    assert lab.config.train.command == example.command
    assert (lab.config.metric.name, lab.config.metric.direction) == (example.metric, example.direction)
    assert example.parameter in lab.config.space.parameters
    records = lab.trials()
    assert [record.id for record in records] == ["0", "1", "2"]
    assert example.low < records[0].metrics[example.metric] < example.high
    runs = records[0].runs
    assert len({run.seed for run in runs}) == len(runs), "no seed is run twice"
    # Not as many as runs: an accuracy counts examples, so two seeds can meet.
    assert len({run.metrics[example.metric] for run in runs}) > 1, "the seed reaches the training"
    assert git(folder, "status", "--porcelain") == "?? .autoresearch.toml"
