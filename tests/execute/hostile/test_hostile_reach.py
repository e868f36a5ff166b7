"""What a script must not reach: files outside its own, secrets, the network, the clock, protected files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogit.execute.reaper.processes import marked
from autogit.protocols import Ending

if TYPE_CHECKING:
    from conftest import Bench


def test_it_writes_only_to_its_own_folders(fenced: Bench, tmp_path: Path, isolated_home: Path) -> None:
    workspace = tmp_path / "workspace"
    (workspace / ".git").mkdir(parents=True)
    (workspace / "model.py").write_text("layers = 2\n")
    data = tmp_path / "data"
    data.mkdir()
    places = [workspace, workspace / "model.py", workspace / ".git", data, isolated_home, Path("/usr"), Path("/etc")]
    done = fenced.run("writes_everywhere", *map(str, places), data=(data,))
    assert done.succeeded
    # Where it has a /tmp of its own it may believe that it wrote to a place of the same name.
    assert not [found for place in places for found in place.glob("written-by-a-trial")]
    assert (workspace / "model.py").read_text() == "layers = 2\n"


def test_the_checkouts_link_to_git_cannot_be_turned(bench: Bench) -> None:
    bench.checkout.mkdir()
    link = bench.checkout / ".git"
    link.write_text("gitdir: /somewhere/.git/worktrees/slot-0\n")
    done = bench.run("writes_everywhere", str(link))
    assert link.read_text() == "gitdir: /somewhere/.git/worktrees/slot-0\n"
    assert done.succeeded if bench.tier == "bubblewrap" else done.reason == "changed the protected file .git"


def test_secrets_are_not_there(fenced: Bench, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = isolated_home / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("the private key")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-api-key")
    monkeypatch.setenv("GIT_DIR", "/the-git-dir")
    reaper = f"/proc/{os.getpid()}/environ"
    done = fenced.run("reads_secrets", str(key), "~/.ssh/id_ed25519", "/etc/shadow", reaper, "/proc/1/environ")
    assert done.succeeded
    assert "the private key" not in done.log and "sk-the-api-key" not in done.log and "the-git-dir" not in done.log
    assert "HOME []" in done.log


def test_the_environment_is_an_allow_list_in_every_tier(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setenv("WANDB_MODE", "offline")
    bench.sandbox["pass_env"] = ("WANDB_MODE",)
    done = bench.run("reads_secrets")
    assert "the-secret" not in done.log
    assert "WANDB_MODE" in done.log


def test_there_is_no_network(fenced: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = fenced.run("opens_a_socket", str(server.getsockname()[1]))
    assert done.succeeded and "REACHED" not in done.log


def test_the_network_is_opened_by_name(fenced: Bench) -> None:
    fenced.sandbox["network"] = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = fenced.run("opens_a_socket", str(server.getsockname()[1]))
    assert "REACHED the machine's own port" in done.log


def test_the_clock_is_the_supervisors(bench: Bench) -> None:
    done = bench.run("changes_the_clock")
    assert "CHANGED" not in done.log
    assert done.seconds >= 0.3


def test_a_deleted_checkout_harms_no_one(bench: Bench) -> None:
    done = bench.run("deletes_its_checkout")
    assert done.succeeded
    assert bench.out.is_dir()


def test_protected_files_stay_as_they_are_or_the_run_does_not_count(bench: Bench) -> None:
    bench.checkout.mkdir()
    evaluator = bench.checkout / "evaluate.py"
    evaluator.write_text("print('val_loss: 3')\n")
    done = bench.run("changes_protected", protected=(evaluator,))
    if bench.tier == "bubblewrap":
        assert "Read-only file system" in done.log
        assert evaluator.read_text() == "print('val_loss: 3')\n"
    else:
        assert (done.ending, done.reason) == (Ending.LIMIT, "changed the protected file evaluate.py")


def test_masked_paths_look_empty(fenced: Bench, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("train.txt", "held/val.txt", "validation.txt"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(f"text of {name}")
    masked = (data / "held", data / "validation.txt")
    places = [str(data / name) for name in ("train.txt", "held/val.txt", "validation.txt")]
    done = fenced.run("reads_secrets", *places, data=(data,), masked=masked)
    assert "text of train.txt" in done.log
    assert "text of held" not in done.log and "text of validation" not in done.log


def test_an_output_folder_can_be_read_only(fenced: Bench) -> None:
    done = fenced.run("writes_everywhere", str(fenced.out), out_read_only=True)
    assert "WROTE" not in done.log


def test_nothing_is_left_when_autogit_itself_is_killed(bench: Bench, tmp_path: Path) -> None:
    checkout, out = tmp_path / "checkout", tmp_path / "out"
    checkout.mkdir()
    out.mkdir()
    (checkout / "train.py").write_text((Path(__file__).parent / "scripts" / "double_forks.py").read_text()
                                       + "print('up', flush=True)\nimport time; time.sleep(1000)\n")  # fmt: skip
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from threading import Event
        from autogit.config.model import Config, Sandbox, Train
        from autogit.execute.local import LocalExecutor
        from autogit.protocols import Job
        class Loud:
            def line(self, text, seconds):
                print(text, flush=True)
            def tick(self, seconds, cpu):
                pass
        executor = LocalExecutor(Config(Train("x"), sandbox=Sandbox(tier={bench.tier!r})))
        checkout, out = Path({str(checkout)!r}), Path({str(out)!r})
        job = Job("{sys.executable} -S train.py", checkout, checkout, out, variables={{"MARK": {bench.mark!r}}})
        executor.run(job, Loud(), Event())
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as autogit:
        assert autogit.stdout is not None
        assert [next(autogit.stdout), next(autogit.stdout)] == ["val_loss: 1.0\n", "up\n"]
        mark = f"MARK={bench.mark}".encode()
        assert len(marked(mark)) >= 2
        autogit.send_signal(signal.SIGKILL)
    while marked(mark):  # The test's own timeout ends this where something lives on.
        pass
