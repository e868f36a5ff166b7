"""Runs a person's coding agent: with their environment, for a limited time, and leaving nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import Interrupted

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


def run(command: str, folder: Path, timeout: float, cancel: threading.Event) -> Outcome:
    """Runs `command` by `sh` in `folder` and ends all that it has started. `timeout` in seconds.

    Raises Interrupted where `cancel` is set.
    """
    mark = uuid.uuid4().hex
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment = kept | {_MARK: mark, "PYTHONDONTWRITEBYTECODE": "1"}
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
