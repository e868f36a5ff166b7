"""A workspace that trains in a blink: a curve with a minimum, and noise that the seed decides."""

from __future__ import annotations

from pathlib import Path

from conftest import git

TRAIN = '''\
"""A training script that is quick enough for tests."""
import random
import sys

learning_rate = 0.1
width = 8
dropout = 0.5

seed = int(sys.argv[1])
noise = random.Random(seed).gauss(0, 0.01)
for step in range(1, 6):
    print(f"step {step} loss {2 / step + noise:.4f}", flush=True)
print(f"val_loss: {1 + (learning_rate - 0.3) ** 2 + 1 / width + dropout / 10 + noise:.6f}")
'''

CONFIG = """\
[train]
command = "{{python}} train.py {{seed}}"
editable = ["train.py"]
[metric]
name = "val_loss"
[space]
learning_rate = [0.1, 0.2, 0.3, 0.4]
width = [8, 16, 32]
dropout = [0.0, 0.5]
[sandbox]
tier = "rlimits"
trust_models = true
{more}
"""


def make_toy(folder: Path, train: str = TRAIN, more: str = "") -> Path:
    """A git repository with `train.py` and its configuration; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(train)
    (folder / ".autoresearch.toml").write_text(CONFIG.format(more=more))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    return folder


def add_commit(folder: Path, path: str, text: str) -> str:
    """A person's own commit on the branch that is checked out."""
    (folder / path).write_text(text)
    git(folder, "add", path)
    git(folder, "commit", "-q", "-m", f"Change {path}")
    return git(folder, "rev-parse", "HEAD")


def branches(folder: Path) -> list[str]:
    return git(folder, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def tags(folder: Path, pattern: str = "") -> list[str]:
    return git(folder, "tag", "-l", *([pattern] if pattern else [])).split()
