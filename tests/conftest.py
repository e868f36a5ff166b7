"""Every test has a HOME of its own and no git settings of the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

# Everyone tests the same examples; to look for new ones: HYPOTHESIS_PROFILE=default pytest tests/patch
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "XDG_CONFIG_HOME", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return home


def git(folder: Path, *arguments: str, text: str | None = None) -> str:
    """Runs plain git as a person would and gives its output without the last newline."""
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
        cwd=folder, input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.removesuffix("\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A workspace with one commit on `main`: a train.py that prints a loss."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "train.py").write_text('learning_rate = 0.1\nprint(f"val_loss: {learning_rate * 10}")\n')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Start")
    return folder
