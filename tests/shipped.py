"""The shipped workspace as it is shipped: also in a clone where a loop has improved it since."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "workspace"


def _shipped() -> Path:
    if not (_FOLDER / ".git").exists():
        return _FOLDER
    # A loop has made it a repository of its own, whose first commit is what was shipped.
    git = ["git", "-C", str(_FOLDER)]
    first = subprocess.run([*git, "rev-list", "--max-parents=0", "main"], capture_output=True, text=True, check=True)
    archive = subprocess.run([*git, "archive", first.stdout.split()[-1]], capture_output=True, check=True)
    folder = Path(tempfile.mkdtemp(prefix="autogit-shipped-"))
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


SHIPPED = _shipped()
