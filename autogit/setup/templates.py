"""Workspaces that ship with autogit, and how to get a copy of one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from autogit.config.model import FILENAME
from autogit.errors import WorkspaceError

TEMPLATES = ("gpt",)
_LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", "*.pyc", "out")


def copy_template(name: str, folder: Path) -> None:
    """Copies the template `name` to `folder`, a new or empty one, and makes it a repository with one commit.

    Raises WorkspaceError where something is in `folder` already.
    """
    from autogit.ledger.git.program import neutral, run_git

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkspaceError(f"{folder} is there already and not empty; name a folder that is not")
    files, configuration = _sources(name)
    shutil.copytree(files, folder, ignore=_LEFT_OUT, dirs_exist_ok=True)
    text = configuration.read_text(encoding="utf-8")
    # The shipped file lies beside the workspace; the copy lies in it.
    (folder / FILENAME).write_text(re.sub(r"(?m)^workspace = .*\n\n?", "", text), encoding="utf-8")
    for arguments in (("init", "-q", "-b", "main"), ("add", "--all"), ("commit", "-q", "-m", "Start of the workspace")):
        run_git(arguments, b"", neutral(), (0,), folder, ())


def _sources(name: str) -> tuple[Path, Path]:
    """(folder of the files, configuration): in an installed package, else in the clone that it runs from."""
    package = Path(__file__).parents[1]
    packed = package / "_templates" / name
    if packed.is_dir():
        return packed, packed.parent / f"{name}.toml"
    return package.parent / "workspace", package.parent / FILENAME
