"""The shipped workspace, trained once for all tests here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from workspace.gpt import SHIPPED, STEPS, Trained, python

NAMES = ("checkpoint", "data", "evaluate", "isolation", "model", "model_server", "monitor", "budget")


@pytest.fixture(scope="session")
def modules() -> Iterator[SimpleNamespace]:
    """The workspace's own modules; they leave no trace under their short names."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(SHIPPED))
    loaded: dict[str, ModuleType] = {name: __import__(name) for name in NAMES}
    sys.path.remove(str(SHIPPED))
    for name in NAMES:
        sys.modules.pop(name)
        if (module := before[name]) is not None:
            sys.modules[name] = module
    yield SimpleNamespace(**loaded)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the workspace to spoil."""
    folder = tmp_path / "gpt"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns(".git", "__pycache__", "out"))
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The unchanged code after a few steps."""
    out = tmp_path_factory.mktemp("trained")
    done = python(SHIPPED, "train.py", "--seed", "1", "--steps", str(STEPS), "--out", out)
    assert done.returncode == 0, done.stderr
    return Trained(SHIPPED, out, done.stdout, done.stderr)


@pytest.fixture
def spoiled(copy: Path, trained: Trained, tmp_path: Path, modules: SimpleNamespace) -> Callable[[str, str], Trained]:
    """Edits model.py and gives the edited code the trained weights, as if it had trained them."""

    def spoil(old: str, new: str) -> Trained:
        text = (copy / "model.py").read_text()
        assert text.count(old) == 1
        (copy / "model.py").write_text(text.replace(old, new))
        out = tmp_path / "spoiled"
        out.mkdir()
        program = (
            "import sys, torch, checkpoint; from pathlib import Path\n"
            "tensors, facts = checkpoint.load(Path(sys.argv[1])); del facts['code']\n"
            "checkpoint.save(Path(sys.argv[2]), {n: torch.tensor(a) for n, a in tensors.items()}, facts)\n"
        )
        name = modules.checkpoint.FILENAME
        done = python(copy, "-c", program, trained.out / name, out / name)
        assert done.returncode == 0, done.stderr
        return Trained(copy, out, "", "")

    return spoil
