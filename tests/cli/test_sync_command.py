"""`autogit reproduce`, `verify`, `sync` and `gc` as a person types them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from click.testing import CliRunner, Result
from conftest import git
from toy import make_toy

from autogit import Lab
from autogit.cli import cli


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), *arguments])


def test_reproduce_and_verify(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=1)
    done = run(folder, "reproduce", "0")
    assert done.exit_code == 0 and "exp/0  identical" in done.output and "environment: as recorded" in done.output
    told = json.loads(run(folder, "reproduce", "exp/1", "--json").output)
    assert told["outcome"] == "identical" and told["repeats"][0]["recorded"]["seed"] >= 1
    done = run(folder, "verify")
    assert done.exit_code == 0 and "different" in done.output
    assert "verified" in git(folder, "notes", "show", "exp/0")


def test_reproduce_ends_with_1_where_it_is_different(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=1)
    note = git(folder, "notes", "show", "exp/0")
    value = Lab.open(folder).trial(0).runs[0].metrics["val_loss"]
    git(folder, "notes", "add", "-f", "-F", "-", "exp/0", text=note.replace(str(value), "777.0"))
    done = run(folder, "reproduce", "0")
    assert done.exit_code == 1 and "different" in done.output and "777.0" in done.output


def test_two_labs_meet_on_a_remote(tmp_path: Path) -> None:
    folder, remote = make_toy(tmp_path / "lab"), tmp_path / "remote.git"
    Lab.open(folder).loop(trials=2)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    done = run(folder, "sync", str(remote))
    assert done.exit_code == 0 and "0 trials came in, 3 in all" in done.output
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(remote), str(clone)], check=True)
    done = run(clone, "sync", "origin")
    assert done.exit_code == 0, done.output
    assert [r.id for r in Lab.open(clone).trials()] == ["0", "1", "2"]
    assert run(clone, "reproduce", "2").exit_code == 0


def test_tags_of_trials_can_stay(tmp_path: Path) -> None:
    folder, remote = make_toy(tmp_path / "lab"), tmp_path / "remote.git"
    Lab.open(folder).loop(trials=1)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    assert run(folder, "sync", str(remote), "--no-trials").exit_code == 0
    assert git(remote, "tag", "-l") == ""


def test_gc_drops_logs_only_when_asked(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    for rate in ("0.9", "1.5"):
        worse = f"--- a/train.py\n+++ b/train.py\n@@ -5 +5 @@\n-learning_rate = 0.1\n+learning_rate = {rate}\n"
        Lab.open(folder).attempt(worse, "Far too fast")
    dead = [r.id for r in Lab.open(folder).trials() if r.verdict.dead]
    assert dead == ["1", "2"]
    assert run(folder, "gc").output == "packed\n"
    assert all(Lab.open(folder).log(id) for id in dead)
    done = run(folder, "gc", "--keep", "0")
    assert done.output.startswith(f"packed; the logs and curves of {len(dead)} dead trials dropped\n")
    assert not any(Lab.open(folder).log(id) for id in dead)
    assert all(Lab.open(folder).trial(id).runs for id in dead)
