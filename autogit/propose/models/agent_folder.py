"""The folder that an agent works in: what runs there, for how long, and what it has made of the files."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import Interrupted, PatchError
from autogit.propose.models.quote import inline

BRIEFING = "AUTOGIT_BRIEFING.md"
WORDS = "AUTOGIT_PROPOSAL.md"
"""Where an agent says what it has done and why."""
SCRATCH = "scratch"
"""A folder of the agent's own, which is no part of a proposal."""
_OWN = frozenset({BRIEFING, WORDS, SCRATCH, ".git"})
"""At the top of the folder: what is the agent's, or ours."""
_LEFTOVERS = re.compile(
    r"(^|/)(__pycache__|node_modules|\.venv|venv|\.claude|\.codex|\.opencode|\.gemini|\.cursor|\.pytest_cache|\.mypy_cache"
    r"|\.ruff_cache|\.ipynb_checkpoints)(/|$)|(^|/)(\.aider[^/]*|\.DS_Store|[^/]*\.(log|pyc|swp|orig|rej))(/|$)"
)
"""New files and folders that agents and their tools leave behind."""

Seen = Mapping[str, str]
"""What a folder holds: path -> what tells two contents apart."""


def seen(folder: Path) -> Seen:
    """Every file but our own, and none of Python's caches."""
    return {path: _identity(folder / path) for path in _paths(folder)}


@dataclass(frozen=True, slots=True)
class Left:
    """What an agent left: the changes of editable files, and the new files that are no part of them."""

    after: Mapping[str, str | None]
    aside: tuple[str, ...]


def left(folder: Path, before: Seen, files: Mapping[str, str], editable: Callable[[str, str], bool]) -> Left:
    """Returns what has changed since `before`. `editable` says of a new file (path, text) whether it may be added.

    New files that are not editable, that git ignores, or that tools leave behind, stay out of it. Raises PatchError for
    a change of a file that was there and is not editable, or that a diff cannot tell: a proposal is all that an
    agent has done to what was there, never a part of it.
    """
    now = seen(folder)
    changed = [path for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    new = [path for path in changed if path not in before]
    aside = {path for path in new if _LEFTOVERS.search(path)} | _ignored(folder, new)
    after: dict[str, str | None] = {}
    for path in changed:
        if path in aside:
            continue
        if path in before and path not in files:
            raise PatchError(f"the agent changed {inline(path)}, which is not editable")
        try:
            text = _text(folder / path, path) if path in now else None
        except PatchError:
            if path in before:
                raise
            text = None
        if path in before or (text is not None and editable(path, text)):
            after[path] = text
        else:
            aside.add(path)
    return Left(after, tuple(sorted(aside)))


def _ignored(folder: Path, paths: list[str]) -> set[str]:
    """Those of the paths that git ignores in this folder; none if its repository does not work any more."""
    if not paths:
        return set()
    git = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    asked = subprocess.run(
        ["git", "check-ignore", "-z", "--stdin"], cwd=folder, env=git, capture_output=True,
        input="\0".join(paths).encode("utf-8", "surrogateescape"), check=False,
    )  # fmt: skip
    return set(asked.stdout.decode("utf-8", "surrogateescape").split("\0")) & set(paths)


def words(folder: Path) -> str:
    """What the agent wrote of its proposal; empty where it did not."""
    try:
        return (folder / WORDS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _text(file: Path, path: str) -> str:
    if file.is_symlink() or not file.is_file():
        raise PatchError(f"the agent made {inline(path)} something else than a plain file")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise PatchError(f"the agent made {inline(path)}, which is no text") from None


def _paths(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        top = Path(place) == folder
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [
            name
            for name in folders
            if name not in links and name not in ("__pycache__", "node_modules") and not (top and name in _OWN)
        ]
        for name in (*files, *links):
            if not (top and name in _OWN):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _identity(file: Path) -> str:
    if file.is_symlink():
        return f"link to {file.readlink()}"
    if not file.is_file():
        return "neither file nor link"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# ---- running it

OUTPUT_BYTES = 1 << 20
"""Most of an agent's output that is read: its end."""
_MARK = "AUTOGIT_AGENT"
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""What would point the agent's git at another repository than the folder it works in."""
_PATIENCE = 5.0
"""Seconds after which a process that the kernel cannot end is left."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an agent ended."""

    status: int | None
    """Its exit status; None where its time was over."""
    output: str
    seconds: float


def run(
    command: str, folder: Path, timeout: float, cancel: threading.Event, variables: Mapping[str, str] | None = None
) -> Outcome:
    """Runs `command` by `sh` in `folder` and ends all that it has started. `timeout` in seconds.

    Raises Interrupted where `cancel` is set.
    """
    mark = uuid.uuid4().hex
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment = kept | dict(variables or {}) | {_MARK: mark, "PYTHONDONTWRITEBYTECODE": "1"}
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = _wait(process, started + timeout, cancel)
        finally:
            _end(process, mark)
        seconds = time.monotonic() - started
        output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_BYTES))
        return Outcome(status, output.read().decode("utf-8", "replace"), seconds)


def _wait(process: subprocess.Popen[bytes], deadline: float, cancel: threading.Event) -> int | None:
    while time.monotonic() < deadline:
        try:
            return process.wait(timeout=min(0.1, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if cancel.is_set():
                raise Interrupted("stopped while an agent was waited for") from None
    return None


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kills all that carry the mark, which also those inherit that have left the tree, until nothing is left."""
    import psutil

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        left = [p for p in psutil.process_iter() if p.pid != os.getpid() and _marked(p, mark)]
        if process.poll() is None:
            left.append(psutil.Process(process.pid))
        if not left:
            break
        for each in left:
            try:
                each.send_signal(signal.SIGKILL)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        psutil.wait_procs(left, timeout=0.2)
        process.poll()


def _marked(process: object, mark: str) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark)
    except (psutil.Error, OSError):
        return False
