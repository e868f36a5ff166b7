"""The programs themselves, if npm has installed them: do they start the server that `autogit install` has named?

PATH has to hold `claude`, `codex`, `opencode`, `gemini`; each is tried in a network namespace with loopback alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy import make_toy

pytest.importorskip("mcp", reason="the extra autogit[mcp] is not installed")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("host", "scope", "said"),
    [("claude", "user", "Connected"), ("codex", "user", "enabled"), ("codex", "project", "autogit"),
     ("opencode", "project", "connected"), ("gemini", "project", "Connected")],
)  # fmt: skip
def test_the_program_finds_the_server(tmp_path: Path, isolated_home: Path, host: str, scope: str, said: str) -> None:
    program = shutil.which(host)
    if program is None or shutil.which("unshare") is None:
        pytest.skip(f"{host} or unshare is not installed")
    folder = make_toy(tmp_path / "lab")
    if (host, scope) == ("codex", "project"):
        home = isolated_home / ".codex"
        home.mkdir()
        (home / "config.toml").write_text(f'[projects."{folder}"]\ntrust_level = "trusted"\n')
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "install", host, "--scope", scope]
    subprocess.run(command, check=True, capture_output=True)
    alone = ["unshare", "-rn", "sh", "-c", 'ip link set lo up; exec "$0" mcp list', program]
    variables = {**os.environ, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    done = subprocess.run(
        alone, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=100,
    )  # fmt: skip
    assert "autogit" in done.stdout and said in done.stdout
