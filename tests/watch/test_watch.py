"""The live page over real HTTP: what it shows, what its buttons do, and whom it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from toy import TRAIN, make_toy
from watched import EVIL, Page, make_watched, watching

from autogit import Lab
from autogit.cli import cli
from autogit.events import Opened, Progress, Ran, Started
from autogit.records import Run, RunStatus, Trial
from autogit.trial.live import CURVE_POINTS, TAIL_LINES, LiveFile, read_live

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests add ideas, no trials."""
    return make_watched(tmp_path_factory.mktemp("watched") / "lab")


@pytest.fixture(scope="module")
def page(lab: Path) -> Iterator[Page]:
    with watching(lab) as found:
        yield found


def test_the_page_shows_the_lab_and_every_text_is_escaped(page: Page, lab: Path) -> None:
    answer, text = page.send("GET", "/")
    assert answer.status == 200 and "No loop runs on this lab" in text and 'data-trial="1"' in text
    assert "<script>alert" not in text and "<img" not in text and "&lt;script&gt;alert(1)" in text
    policy = answer.getheader("content-security-policy", "")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for path, kind in (("/watch.js", "text/javascript"), ("/watch.css", "text/css")):
        found, _ = page.send("GET", path)
        assert found.status == 200 and found.getheader("content-type", "").startswith(kind)


def test_events_bring_every_section_and_then_what_changes(page: Page, lab: Path) -> None:
    events = page.events()
    names = {next(events)["name"] for _ in range(6)}
    assert names == {"trouble", "now", "progress", "latest", "queue", "machine"}
    Lab.open(lab).add_idea(f"wider {EVIL}")
    found = next(event["html"] for event in events if event["name"] == "queue")
    assert "wider &lt;script&gt;" in found and "<script" not in found
    events.close()


def test_an_idea_is_queued_as_the_command_does_it(page: Page, lab: Path) -> None:
    answer, text = page.send("POST", "/idea", {"text": "--now $(touch pwned); 'try' more\nheads"})
    told = json.loads(text)
    assert answer.status == 200 and told["done"] and told["command"].startswith("autogit idea '--now")
    assert "--now $(touch pwned); 'try' more\nheads" in [idea.text for idea in Lab.open(lab).ideas()]
    for wrong in ({"text": ""}, {"text": 3}, {"text": "x" * 5000}, {}, [], {"text": "x" * 300_000}):
        assert page.send("POST", "/idea", wrong)[0].status == 400


def test_program_md_is_written_unless_somebody_else_has_meanwhile(page: Page, lab: Path) -> None:
    seen = json.loads(page.send("GET", "/program")[1])
    new = "# Wanted\n\nLower loss, 日本.\n"
    assert page.send("POST", "/program", {"text": new, "version": seen["version"]})[0].status == 200
    assert (lab / "program.md").read_text() == new
    answer, text = page.send("POST", "/program", {"text": "late", "version": seen["version"]})
    assert answer.status == 409 and "meanwhile" in text and (lab / "program.md").read_text() == new


def test_without_a_loop_stop_says_so(page: Page) -> None:
    answer, text = page.send("POST", "/stop", {})
    assert answer.status == 409 and "no loop runs" in text


@pytest.mark.parametrize("path", ["/stop", "/idea", "/program"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": ""}, 421),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_page_can_change_nothing(
    page: Page, lab: Path, path: str, headers: dict[str, str], status: int
) -> None:
    before = Lab.open(lab).ideas(), Lab.open(lab).ledger.guide()
    assert page.send("POST", path, {"text": "stolen", "version": ""}, **headers)[0].status == status
    assert (Lab.open(lab).ideas(), Lab.open(lab).ledger.guide()) == before


def test_another_page_can_read_nothing(page: Page) -> None:
    for path in ("/", "/events", "/program"):
        assert page.send("GET", path, host=f"evil.example:{page.port}")[0].status == 421
        assert page.send("GET", path, origin="http://evil.example")[0].status == 403
    for host in (f"localhost:{page.port}", "127.0.0.1:9", "[::1]:80"):
        assert page.send("GET", "/program", host=host, origin=f"http://{host}")[0].status == 200, "a tunnel's port"


def test_get_changes_nothing(page: Page, lab: Path) -> None:
    before = Lab.open(lab).ideas()
    for path in ("/stop", "/idea?text=x", "/stop?now=true"):
        assert page.send("GET", path)[0].status == 405
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert page.send(method, "/program")[0].status == 405
    assert Lab.open(lab).ideas() == before


def test_elsewhere_the_page_needs_its_token(lab: Path) -> None:
    with watching(lab, "--host", "0.0.0.0") as page:
        query = urlsplit(page.address).query
        assert query.startswith("token=") and len(query) > 30
        for path in ("/", "/events", "/program", "/watch.js", "/?token=wrong"):
            assert page.send("GET", path)[0].status == 401
        assert page.send("POST", "/idea", {"text": "stolen"})[0].status == 401
        assert page.send("POST", f"/idea?{query}", {"text": "stolen"})[0].status == 401, "not by the address"
        answer, _ = page.send("GET", f"/?{query}")
        cookie = answer.getheader("set-cookie", "")
        assert answer.status == 303 and answer.getheader("location") == "/" and "HttpOnly" in cookie
        assert page.send("GET", "/", cookie=cookie.partition(";")[0])[0].status == 200
        assert page.send("GET", "/", authorization=f"Bearer {query.partition('=')[2]}")[0].status == 200
        assert page.send("GET", "/", authorization="Bearer é")[0].status == 401


def test_a_running_loop_is_shown_and_stopped(tmp_path: Path) -> None:
    waits = TRAIN.replace("import sys", "import sys, pathlib, time").replace(
        'print(f"val_loss',
        'while learning_rate == 0.1 and not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\nprint(f"val_loss',
    )
    folder = make_toy(tmp_path / "lab", waits)
    config = folder / ".autoresearch.toml"
    config.write_text(config.read_text().replace("{seed}", "{seed} " + str(tmp_path / "go")))
    command = [sys.executable, "-m", "autogit", "-C", str(folder), "loop", "-n", "50"]
    loop = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with watching(folder) as page:
            events = page.events()
            shown = next(e["html"] for e in events if e["name"] == "now" and "polyline" in e["html"])
            assert "exp/0" in shown and "step 5" in shown and 'data-running="yes"' in shown
            assert 'class="curve running"' in shown and "step 5 loss" in shown.partition("tail")[2]
            answer, text = page.send("POST", "/stop", {})
            assert answer.status == 200 and "after the current trial" in text
            assert any("It ends after this" in e["html"] for e in events if e["name"] == "now")
            answer, text = page.send("POST", "/stop", {"now": True})
            assert answer.status == 200 and json.loads(text)["command"] == "autogit stop --now"
            assert loop.wait(timeout=60) is not None
            assert any("No loop runs" in e["html"] for e in events if e["name"] == "now")
            events.close()
    finally:
        loop.kill()
        loop.wait()


def test_it_ends_with_ctrl_c_while_somebody_looks(lab: Path) -> None:
    with watching(lab) as page:
        events = page.events()
        next(events)
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(timeout=60) == 0


def test_a_port_in_use_and_a_missing_package_are_told_in_a_sentence(lab: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(cli, ["-C", str(lab), "watch", "--port", str(port)])
    assert done.exit_code == 1 and f"127.0.0.1:{port}" in done.output and "--port" in done.output
    (tmp_path / "starlette.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'starlette'\", name='starlette')"
    )
    command = [sys.executable, "-m", "autogit", "-C", str(lab), "watch"]
    told = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert told.returncode == 1 and "pip install 'autogit[watch]'" in told.stderr and "Traceback" not in told.stderr


def test_the_live_file_keeps_a_bounded_curve_and_tail(tmp_path: Path) -> None:
    ticks = iter(range(100_000))
    live = LiveFile(tmp_path, clock=lambda: float(next(ticks)))
    trial = Trial(id="3", commit="c", base="b", title="t", proposer="p", operator="o")
    live.tell(Started(5, None, 1, None))
    live.tell(Opened(trial, 0))
    for step in range(1, 2001):
        loss = float("nan") if step == 5 else 1 / step
        live.tell(Progress(trial, 0, 7, step, loss, 1.0, None, 0.0, f"step {step} " + "x" * 1000))
    found = read_live(tmp_path, os.getpid())
    assert found is not None
    slot = found.slots[0]
    steps = [step for step, _ in slot.curve]
    assert CURVE_POINTS // 2 <= len(steps) <= CURVE_POINTS and steps == sorted(set(steps)) and steps[0] == 1
    assert steps[-1] > 1900 and 5 not in steps and all(value == 1 / step for step, value in slot.curve)
    assert len(slot.tail) == TAIL_LINES and slot.tail[-1].startswith("step 2000 ") and len(slot.tail[-1]) == 400
    live.tell(Ran(trial, 0, Run(7, RunStatus.COMPLETED, 1.0)))
    after = read_live(tmp_path, os.getpid())
    assert after is not None and after.slots[0].curve == () and after.slots[0].tail == slot.tail
