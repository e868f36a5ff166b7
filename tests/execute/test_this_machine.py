from __future__ import annotations

import os
from pathlib import Path

import pytest

from autogit.config.model import Config, Train
from autogit.errors import ConfigError
from autogit.execute import machine
from autogit.execute.local import LocalExecutor, job_count
from autogit.execute.machine import Gpu

PLAIN = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-2222-3333-4444-555555555555)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-66666666-2222-3333-4444-555555555555)
"""
SLICED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-2222-3333-4444-555555555555)
  MIG 1g.10gb     Device  0: (UUID: MIG-aaaaaaaa-2222-3333-4444-555555555555)
  MIG 1g.10gb     Device  1: (UUID: MIG-bbbbbbbb-2222-3333-4444-555555555555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-66666666-2222-3333-4444-555555555555)
"""
TWO = (Gpu("0", "A"), Gpu("1", "B"))


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver lists two GPUs."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{PLAIN}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine._installed.cache_clear()


@pytest.fixture(autouse=True)
def forget_gpus() -> object:
    installed = machine._installed
    yield
    installed.cache_clear()


def test_gpus_are_read_from_the_drivers_list() -> None:
    assert machine._listed(PLAIN) == (Gpu("0", "NVIDIA H100 80GB HBM3"), Gpu("1", "NVIDIA A100-SXM4-40GB"))


def test_a_sliced_gpu_is_its_slices() -> None:
    found = machine._listed(SLICED)
    assert [gpu.id[:12] for gpu in found] == ["MIG-aaaaaaaa", "MIG-bbbbbbbb", "1"]
    assert found[0].name == "NVIDIA H100 80GB HBM3 MIG 1g.10gb"


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        (None, ["0", "1"]), ("", []), ("-1", []), ("1", ["1"]), ("1,0", ["1", "0"]), ("0,7,1", ["0"]),
        (" 1 ", ["1"]), ("GPU-66666666", ["GPU-66666666"]), ("NoDevFiles", []),
    ],
)  # fmt: skip
def test_the_persons_choice_of_gpus_is_kept(named: str | None, seen: list[str]) -> None:
    assert [gpu.id for gpu in machine._visible(TWO, named)] == seen


def test_each_slot_has_a_gpu_of_its_own(two_gpus: None) -> None:
    config = Config(Train("python train.py"))
    assert job_count(config) == 2
    executor = LocalExecutor(config, 2)
    assert [executor.variables(slot, 1)["CUDA_VISIBLE_DEVICES"] for slot in (0, 1)] == ["0", "1"]
    assert executor.environment["device"] == "NVIDIA H100 80GB HBM3"


def test_gpus_can_be_grouped_and_done_without(two_gpus: None) -> None:
    assert job_count(Config(Train("x", gpus_per_run=2))) == 1
    assert LocalExecutor(Config(Train("x", gpus_per_run=2))).variables(0, 1)["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert LocalExecutor(Config(Train("x", gpus_per_run=0))).variables(0, 1)["CUDA_VISIBLE_DEVICES"] == ""


def test_more_jobs_than_the_machine_has_are_refused(two_gpus: None) -> None:
    with pytest.raises(ConfigError, match=r"--jobs 3: this machine has 2 GPUs, 1 for each: at most 2"):
        job_count(Config(Train("x")), 3)
    with pytest.raises(ConfigError, match=r"gpus_per_run = 4, but this machine shows 2"):
        job_count(Config(Train("x", gpus_per_run=4)))
    with pytest.raises(ConfigError, match=r"CPU cores: at most"):
        job_count(Config(Train("x", gpus_per_run=0)), 100_000)


def test_threads_are_shared_or_as_configured() -> None:
    assert machine.threads_per_job(1) == machine.cores()
    assert machine.threads_per_job(10**6) == 1
    variables = LocalExecutor(Config(Train("x", threads=3, gpus_per_run=0))).variables(0, 2**40 + 5)
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"
    assert variables["PYTHONHASHSEED"] == "5"


def test_memory_and_name_are_known() -> None:
    assert 10**8 < machine.memory() < 10**14
    assert machine.processor()


def test_an_unknown_machine_has_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine._installed.cache_clear()
    assert machine.gpus() == machine._from_proc()


def test_slices_are_counted_as_cuda_counts_them() -> None:
    sliced = machine._listed(SLICED)
    assert [gpu.id[:12] for gpu in machine._visible(sliced, "0")] == ["MIG-aaaaaaaa"]


def test_gpus_that_are_not_known_here_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_installed", lambda: ())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in LocalExecutor(Config(Train("x"))).variables(0, 1)
    assert LocalExecutor(Config(Train("x", gpus_per_run=0))).variables(0, 1)["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert LocalExecutor(Config(Train("x"))).variables(0, 1)["CUDA_VISIBLE_DEVICES"] == ""
