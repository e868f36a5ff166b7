"""A running loop seen and stopped from another process."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import git
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.trial.live import read_live

PACED = TRAIN.replace("import sys", "import sys, pathlib, time").replace(
    "for step in range(1, 6):",
    "for step in range(1, 1000):\n"
    '    while step > 5 and not pathlib.Path(sys.argv[2], "go").exists(): time.sleep(0.01)\n'
    "    if step > 5: break",
)
"""Reports five steps and then waits for a file that only the test makes."""


def paced(folder: Path) -> Path:
    make_toy(folder, PACED)
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text().replace("train.py {seed}", f"train.py {{seed}} {folder}"))
    return folder


@contextmanager
def loop(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "loop", "-n", "50"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ask(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "autogit", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def until_it_reports(folder: Path) -> dict[str, object]:
    """What `status` tells once the run waits at its fifth step."""
    ledger = Lab.open(folder).ledger
    while True:
        time.sleep(0.1)
        pid = ledger.running()
        live = read_live(ledger.private, pid) if pid else None
        if live and any(slot.step is not None for slot in live.slots.values()):
            return dict(json.loads(ask(folder, "status", "--json")))


def test_status_tells_from_elsewhere_and_stop_now_ends_a_running_trial(tmp_path: Path) -> None:
    folder = paced(tmp_path / "lab")
    with loop(folder) as process:
        told = until_it_reports(folder)
        assert told["pid"] == process.pid
        (slot,) = told["loop"]["slots"].values()  # type: ignore[index]
        assert slot["trial"] == "0" and slot["seed"] == 1 and slot["loss"] > 0
        text = ask(folder, "status")
        assert "exp/0  Baseline" in text and "0 of 50 trials" in text
        ask(folder, "stop", "--now")
        process.communicate()
        assert process.returncode == 130
    assert Lab.open(folder).trials() == []
    assert [trial.id for trial in Lab.open(folder).ledger.unfinished()] == ["0"], "it runs again next time"
    assert "no loop runs" in ask(folder, "status")


def test_stop_lets_the_current_trial_finish(tmp_path: Path) -> None:
    folder = paced(tmp_path / "lab")
    with loop(folder) as process:
        until_it_reports(folder)
        ask(folder, "stop")
        assert "ends after this" in ask(folder, "status")
        (folder / "go").touch()
        output, _ = process.communicate()
        assert process.returncode == 130, output
    assert [record.id for record in Lab.open(folder).trials()] == ["0"]
    assert git(folder, "for-each-ref", "refs/heads/exp") == ""


NOTEBOOK = """
import sys
from autogit import Lab
lab = Lab.open(sys.argv[1])
ended = lab.loop(trials=50)
print(ended.reason, ended.interrupted, [record.id for record in lab.trials()])
"""


def test_from_python_a_loop_is_quiet_and_an_interrupt_ends_it_after_the_trial(tmp_path: Path) -> None:
    """A notebook's stop button is an interrupt of the main thread."""
    folder = paced(tmp_path / "lab")
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        until_it_reports(folder)
        process.send_signal(signal.SIGINT)
        ledger = Lab.open(folder).ledger
        while not (live := read_live(ledger.private, process.pid)) or not live.stopping:
            time.sleep(0.05)
        (folder / "go").touch()
        output, _ = process.communicate()
    assert output == "stopped by the person True ['0']\n"


def test_a_terminal_shows_the_run_while_it_lasts(tmp_path: Path) -> None:
    """On a real terminal of 80 columns; what is alive stays within a line each."""
    folder = paced(tmp_path / "lab")
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "loop", "-n", "50"]
    variables = {**os.environ, "TERM": "xterm"}
    variables.pop("COLUMNS", None)
    process = subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=variables, start_new_session=True)
    os.close(far)
    seen = ""
    while "step 5 loss" not in seen or "0 of 50 trials" not in seen:
        seen += os.read(near, 65536).decode()
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again ends it now" not in seen:
        seen += os.read(near, 65536).decode()
    assert "stopping: stopped by the person" in seen
    assert "waiting for exp/0, which makes its run 1 of 3" in seen
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # the terminal is gone with its last process
        while True:
            seen += os.read(near, 65536).decode()
    assert process.wait() == 130
    assert "given up: exp/0; run again" in seen
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen).replace("\r", "\n").split("\n")
    assert max(len(line) for line in lines if line.startswith(("exp/", "0 of 50 trials"))) <= 80
    assert any(re.match(r"exp/0 +Baseline +seed 1 step 5 loss 0\.4", line) for line in lines)


def test_stop_without_a_loop_fails(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    done = subprocess.run([sys.executable, "-m", "autogit", "-C", str(folder), "stop"], capture_output=True, text=True)
    assert done.returncode == 1 and "no loop runs" in done.stderr
