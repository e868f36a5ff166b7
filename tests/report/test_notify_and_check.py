"""Word gets out of a running loop, and a change that breaks the check never trains."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from conftest import git
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.config.model import Notify
from autogit.errors import AutogitError, BaselineError
from autogit.events import Closed, Ended
from autogit.records import Trial, Usage, Verdict
from autogit.report.notify import Notifier


def test_a_command_gets_each_event_as_json(tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    folder = make_toy(tmp_path / "lab", more=f'[notify]\ncommand = "cat >> {told}; echo >> {told}"')
    lab = Lab.open(folder)
    lab.loop(trials=4)
    events = [json.loads(line) for line in told.read_text().splitlines()]
    best = [event for event in events if event["event"] == "best"]
    assert [event["trial"] for event in best] == [record.trial.ref for record in lab.history.accepted] and best
    assert events[-1]["event"] == "ended" and "the limit of trials is reached" in events[-1]["title"]


def test_a_target_that_fails_does_not_disturb_the_loop(tmp_path: Path) -> None:
    lab = Lab.open(make_toy(tmp_path / "lab", more='[notify]\ncommand = "exit 3"'))
    words: list[str] = []
    ended = lab.loop(trials=4, observer=lambda event: words.append(getattr(event, "text", "")))
    assert ended.trials == 4 and any("exit status 3" in word for word in words)


def test_apprise_posts_and_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(AutogitError, match="THE_PATH is not set"):
        Notifier(Notify(urls=("json://127.0.0.1/$THE_PATH",)), "lab", None)
    monkeypatch.setenv("THE_PATH", f"127.0.0.1:{server.server_port}/hook")
    notifier = Notifier(Notify(urls=("json://$THE_PATH",)), "lab", None)
    notifier.tell(Ended("patience", 3, (), 5.0, False))
    server.shutdown()
    assert len(bodies) == 1 and "the loop has ended: patience" in bodies[0]


def test_money_is_told_once_at_four_fifths(tmp_path: Path) -> None:
    from nights import record

    told = tmp_path / "told"
    notifier = Notifier(Notify(command=f"cat >> {told}; echo >> {told}"), "lab", 10.0)
    made = record(1, 2.0, Verdict.REJECTED)
    for number in range(4):
        paid = Trial(str(number), "c", "b", "t", "llm", "o", usage=Usage(cost=3.0))
        notifier.tell(Closed(type(made)(paid, Verdict.REJECTED, "because"), 0, None))
    notifier.tell(Ended("done", 4, (), 1.0, False))
    events = [json.loads(line)["event"] for line in told.read_text().splitlines()]
    assert events == ["money", "ended"]


CHECKER = "import train_rate\nassert train_rate.learning_rate < 0.35, 'too fast'\n"


def checked_lab(folder: Path, rate: str = "0.1") -> Lab:
    make_toy(folder, TRAIN.replace("learning_rate = 0.1", "from train_rate import learning_rate"),
             "[check]\ncommand = \"{python} check.py\"")  # fmt: skip
    text = (folder / ".autoresearch.toml").read_text()
    (folder / ".autoresearch.toml").write_text(text.replace('editable = ["train.py"]', 'editable = ["train*.py"]'))
    (folder / "train_rate.py").write_text(f"learning_rate = {rate}\n")
    (folder / "check.py").write_text(CHECKER)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Check")
    return Lab.open(folder)


def test_a_change_that_breaks_the_check_never_trains(tmp_path: Path) -> None:
    lab = checked_lab(tmp_path / "lab")
    diff = "--- a/train_rate.py\n+++ b/train_rate.py\n@@ -1,1 +1,1 @@\n-learning_rate = 0.1\n+learning_rate = {}\n"
    bad = lab.attempt(diff.format("0.4"), "Too fast")
    assert bad.verdict is Verdict.INVALID and not bad.runs
    assert bad.reason.startswith("the check failed") and "too fast" in bad.reason
    assert "== check" in lab.log(bad.id) and "AssertionError" in lab.log(bad.id)
    good = lab.attempt(diff.format("0.3"), "Faster")
    assert good.accepted and good.runs


def test_the_unchanged_code_has_to_pass_it(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="the check failed"):
        checked_lab(tmp_path / "lab", "0.4").loop(trials=1)
