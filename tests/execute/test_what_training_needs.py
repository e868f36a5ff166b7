"""What an ordinary training does works in the sandbox without a word in the configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogit.execute.readable import interpreters
from autogit.execute.reaper.__main__ import asked
from autogit.execute.reaper.processes import Process
from autogit.protocols import Ending

if TYPE_CHECKING:
    from conftest import Bench


def script(bench: Bench, text: str, python: str = f"{sys.executable} -S") -> str:
    """Puts a script into the bench's checkout and gives the command that runs it."""
    bench.checkout.mkdir(exist_ok=True)
    (bench.checkout / "job.py").write_text(textwrap.dedent(text))
    return f"{python} job.py"


def test_an_environment_in_the_home_folder(bench: Bench, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = isolated_home / "projects" / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.glob("lib/python3*/site-packages"))
    (packages / "mylib.py").write_text("answer = 42\n")
    monkeypatch.setenv("PATH", f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}")
    command = script(bench, "import mylib, sys; print(mylib.answer, sys.prefix)", "python")
    done = bench.run("prints_nothing", command=command)
    assert done.log == f"42 {environment}\n"


def test_only_the_environment_of_the_home_folder_is_shown(isolated_home: Path) -> None:
    environment = isolated_home / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    tool = isolated_home / ".local" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (isolated_home / ".local" / "share").mkdir()
    path = f"{environment / 'bin'}{os.pathsep}{tool.parent}"
    shown = interpreters("cd x && FOO=1 tool --flag | python train.py", {"PATH": path})
    assert {environment, tool} == {place for place in shown if place.is_relative_to(isolated_home)}


def test_a_shim_brings_its_versions(tmp_path: Path) -> None:
    shim = tmp_path / "pyenv" / "shims" / "python"
    shim.parent.mkdir(parents=True)
    (tmp_path / "pyenv" / "versions").mkdir()
    shim.write_text("#!/bin/sh\n")
    shim.chmod(0o755)
    assert tmp_path / "pyenv" in interpreters("python train.py", {"PATH": str(shim.parent)})


def test_data_behind_a_link_in_the_checkout(bench: Bench, tmp_path: Path) -> None:
    data = tmp_path / "far away" / "data"
    data.mkdir(parents=True)
    (data / "text.txt").write_text("to be or not to be")
    bench.checkout.mkdir()
    (bench.checkout / "data").symlink_to(data)
    done = bench.run("prints_nothing", command=script(bench, "print(open('data/text.txt').read())"), data=(data,))
    assert done.log == "to be or not to be\n"


def test_a_further_path_that_the_configuration_opens(fenced: Bench, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("pretrained")
    command = shlex.join(["cat", str(tmp_path / "weights")])
    assert not fenced.run("prints_nothing", command=command).succeeded
    fenced.sandbox["read"] = (str(tmp_path / "weights"),)
    assert fenced.run("prints_nothing", command=command).log == "pretrained\n"


def test_files_beside_the_script_and_in_the_usual_places(bench: Bench) -> None:
    command = script(
        bench,
        """
        import os, pathlib, sys, tempfile
        pathlib.Path("results").mkdir()
        for place in ("results/log.txt", os.environ["OUT"] + "/model.pt", pathlib.Path.home() / "notes"):
            pathlib.Path(place).write_text("x")
        tempfile.TemporaryFile().write(b"x")
        pathlib.Path(os.environ["XDG_CACHE_HOME"], "deep", "er").mkdir(parents=True)
        print(os.path.expanduser("~") != "", open("/dev/urandom", "rb").read(1) != b"")
        """,
    )
    done = bench.run("prints_nothing", command=command, variables={"OUT": str(bench.out), "MARK": bench.mark})
    assert done.log == "True True\n"
    assert (bench.out / "model.pt").exists() and (bench.checkout / "results" / "log.txt").exists()


def test_what_it_left_in_its_private_folders_is_removed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what it made unreadable."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    command = "mkdir -p $TMPDIR/a/b && touch $TMPDIR/a/b/c && chmod 0 $TMPDIR/a/b $TMPDIR/a && echo $TMPDIR"
    assert bench.run("prints_nothing", command=command).succeeded
    assert list((tmp_path / "temporary").iterdir()) == []


def test_worker_processes_and_shared_memory(bench: Bench) -> None:
    command = script(
        bench,
        """
        import multiprocessing
        from multiprocessing import shared_memory
        def work(n):
            return n * n
        if __name__ == "__main__":
            with multiprocessing.Pool(2) as pool:
                print(pool.map(work, range(5)))
            memory = shared_memory.SharedMemory(create=True, size=1 << 20)
            memory.close()
            memory.unlink()
        """,
    )
    assert bench.run("prints_nothing", command=command).log == "[0, 1, 4, 9, 16]\n"


def test_at_its_budget_a_training_finishes_with_its_workers_and_its_shell(bench: Bench) -> None:
    """The worker would die of SIGTERM and the training of its loss; the shell would end before its command."""
    command = script(
        bench,
        """
        import multiprocessing, signal, sys, time
        def serve(pipe):
            while True:
                pipe.send(pipe.recv() + 1)
        if __name__ == "__main__":
            stop = []
            near, far = multiprocessing.Pipe()
            worker = multiprocessing.Process(target=serve, args=(far,), daemon=True)
            worker.start()
            signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
            while not stop:
                time.sleep(0.01)
            time.sleep(0.2)
            near.send(1)
            assert near.poll(5) and near.recv() == 2 and worker.is_alive()
            print("val_loss: 1.5", flush=True)
        """,
    )
    done = bench.run("prints_nothing", command=f"true && {command}; echo and the rest", seconds=2.0, grace=20.0)
    assert (done.ending, done.reason) == (Ending.BUDGET, "")
    assert done.log == "val_loss: 1.5\nand the rest\n"


def process(pid: int, parent: int, name: str, alive: bool = True) -> Process:
    return Process(pid, parent, 1, name, alive, 0)


def test_who_is_asked_to_finish() -> None:
    tree = [
        process(1, 0, "bwrap"),
        process(2, 1, "bwrap"),
        process(3, 2, "sh"),
        process(4, 3, "accelerate"),
        process(5, 4, "python"),
        process(6, 5, "python"),
        process(7, 5, "python"),
        process(8, 3, "tee", alive=False),
        process(9, 5, "sh"),
    ]
    lines = {
        1: b"bwrap", 2: b"bwrap", 3: b"sh", 4: b"accelerate launch train.py", 5: b"python train.py",
        6: b"python train.py", 7: b"python -c from multiprocessing.spawn import", 8: b"", 9: b"sh",
    }  # fmt: skip
    assert asked(tree, lines) == [4, 5, 9]


@pytest.mark.slow
def test_torch_trains_with_data_loader_workers(bench: Bench) -> None:
    bench.sandbox.update(memory_gb=4.0, disk_gb=1.0)
    command = script(
        bench,
        """
        import os, torch
        from torch.utils.data import DataLoader, TensorDataset
        data = TensorDataset(torch.randn(64, 8), torch.randn(64, 1))
        model = torch.nn.Linear(8, 1)
        for x, y in DataLoader(data, batch_size=16, num_workers=2):
            torch.nn.functional.mse_loss(model(x), y).backward()
        torch.save(model.state_dict(), os.environ["OUT"] + "/model.pt")
        print("threads", torch.get_num_threads())
        """,
        sys.executable,
    )
    variables = {"OUT": str(bench.out), "MARK": bench.mark, "OMP_NUM_THREADS": "1"}
    done = bench.run("prints_nothing", command=command, variables=variables)
    assert done.log == "threads 1\n", done


@pytest.mark.slow
def test_torchrun_starts_two_processes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.sandbox.update(memory_gb=8.0, disk_gb=1.0, processes=100)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    script(
        bench,
        """
        import torch, torch.distributed as dist
        dist.init_process_group("gloo")
        value = torch.ones(1) * (dist.get_rank() + 1)
        dist.all_reduce(value)
        if dist.get_rank() == 0:
            print("sum", value.item())
        dist.destroy_process_group()
        """,
    )
    done = bench.run("prints_nothing", command="torchrun --standalone --nproc-per-node 2 job.py", timeout=100.0)
    assert "sum 3.0" in done.log, done
