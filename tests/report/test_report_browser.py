"""The page in a real browser: what a person does with keys, search and sorting. Skipped if there is no Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from nights import many

from autogit.report.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=3000"
)
STEPS = (Path(__file__).parent / "steps.js").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1200, 500])
def test_a_person_finds_their_way(tmp_path: Path, width: int) -> None:
    file = tmp_path / "night.html"
    file.write_text(page(many(60)).replace("</body>", f"<script>{STEPS}</script></body>"))
    command = [CHROMIUM or "", *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=100)
    outcome = re.findall(r'<pre id="outcome">(.*?)</pre>', done.stdout)
    assert outcome, done.stderr[-2000:]
    told = json.loads(outcome[0])
    assert "error" not in told
    assert told["marks"] == 61 and told["last"].startswith("exp/60 ") and told["second"].startswith("exp/1 ")
    assert 2 <= told["zoomed"] < 61 and told["focus"] == "1" and told["curves"] >= 1
    assert told["found"] == 2 and told["accepted"] == 3
    assert told["effects"] == sorted(told["effects"], reverse=True) and len(told["effects"]) == 3
    assert told["wide"], "no sideways scrolling"
