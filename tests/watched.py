"""`autogit watch` as a process on a small lab, and what a test asks it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from click.testing import CliRunner
from toy import make_toy

from autogit.cli import cli

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@dataclass(frozen=True)
class Page:
    """A running `autogit watch`."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        kind = {} if body is None else {"content-type": "application/json"}
        given = {**kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def events(self) -> Iterator[dict[str, str]]:
        """What the page would put where, as it comes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.getheader("content-type", "").startswith("text/event-stream")
        try:
            while line := answer.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            connection.close()


@contextmanager
def watching(folder: Path, *options: str) -> Iterator[Page]:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "watch", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        yield Page(json.loads(said)["url"], process)
    finally:
        process.kill()
        process.wait()


def make_watched(folder: Path) -> Path:
    """A lab after two trials, one of them a person's with a wicked title."""
    make_toy(folder)
    diff = (
        "--- a/train.py\n+++ b/train.py\n@@ -5,3 +5,3 @@\n \n-learning_rate = 0.1\n+learning_rate = 0.3\n width = 8\n"
    )
    change = folder.parent / "change.diff"
    change.write_text(diff)
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), "try", str(change), "--title", EVIL])
    assert done.exit_code == 0, done.output
    return folder
