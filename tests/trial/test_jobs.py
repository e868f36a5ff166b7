"""Commands with their placeholders filled in, and the fingerprint of their data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trial.memory import config

from autogit.errors import ConfigError
from autogit.protocols import Job
from autogit.trial.jobs import SAMPLE_BYTES, JobMaker, fingerprint


def test_names_sizes_and_both_ends_count(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.bin").write_bytes(bytes(4 * SAMPLE_BYTES))
    first = fingerprint([data])
    assert fingerprint([data]) == first and len(first) == 16
    (data / "a.bin").write_bytes(bytes(4 * SAMPLE_BYTES - 1) + b"x")
    changed = fingerprint([data])
    (data / "a.bin").rename(data / "b.bin")
    assert len({first, changed, fingerprint([data])}) == 3


def test_the_place_of_the_folder_does_not_count(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("the same")
    assert fingerprint([tmp_path / "one"]) == fingerprint([tmp_path / "two"])


# ---- commands


def maker(more: str = "", prefix: str = "", seconds: float | None = None, command: str = "") -> JobMaker:
    settings = config(more)
    if command:
        settings = replace(settings, train=replace(settings.train, command=command))
    return JobMaker(settings, Path("/root"), prefix, seconds)


def trained(jobs: JobMaker, steps: int | None = None, gpus: str = "", timed: bool = True) -> Job:
    variables = {"CUDA_VISIBLE_DEVICES": gpus}
    return jobs.train(Path("/c"), Path("/o"), 7, steps, variables, 99.0, timed=timed)


def test_placeholders_are_filled_in() -> None:
    job = trained(maker(command="train {seed} {out} {steps} {gpus}", prefix="sub"), 5, "0,1")
    assert (job.command, job.folder, job.timeout, job.seconds) == ("train 7 /o 5 2", Path("/c/sub"), 99.0, None)
    assert trained(maker(command="train {gpus}")).command == "train 1", "without any it is one process"
    with pytest.raises(ConfigError, match=r"uses \{steps\}, but \[budget\] sets no steps"):
        trained(maker(command="train {steps}"))
    assert trained(maker(command="echo {{steps}}")).command == "echo {steps}"


def test_a_script_that_is_told_its_time_has_grace_on_top() -> None:
    job = trained(maker(seconds=30.0))
    assert (job.seconds, job.timeout, job.grace) == (30.0, None, 10.0)
    job = trained(maker(seconds=30.0, command="train {seconds}"))
    assert (job.command, job.seconds) == ("train 30", 40.0)
    job = trained(maker(seconds=30.0), timed=False)
    assert (job.seconds, job.timeout) == (None, 99.0), "another thing than time ends it"


def test_a_line_to_paste_gives_the_number_again() -> None:
    jobs = maker('[evaluate]\ncommand = "python evaluate.py {out}"\n', prefix="a b")
    line = jobs.line("exp/h/3", 7, None, {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "1"})
    out = "/tmp/autogit-exp-h-3-7"
    assert line == (
        f"cd 'a b' && mkdir -p {out} && OMP_NUM_THREADS=4 python train.py --seed 7 && "
        f"OMP_NUM_THREADS=4 python evaluate.py {out}"
    )
    assert maker().line("exp/1", 7, None, {}) == "python train.py --seed 7"


def test_a_protected_command_reads_alone_and_has_its_own_time() -> None:
    job = maker().protected("look {seed}", Path("/c"), Path("/o"), 7, {})
    assert (job.command, job.out_read_only, job.timeout, job.protected) == ("look 7", True, 600.0, ())
    assert maker().protected("look", Path("/c"), Path("/o"), 7, {}, timeout=5.0).timeout == 5.0


def test_training_cannot_write_to_what_is_protected(tmp_path: Path) -> None:
    for name in ("data/a.bin", "evaluate.py", "train.py", ".autoresearch.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    jobs = maker()
    protected = replace(jobs.config.train, protected=("data", "data/**", "evaluate.py"))
    jobs = replace(jobs, config=replace(jobs.config, train=protected))
    for job in (jobs.train(tmp_path, tmp_path, 1, None, {}, None), jobs.check(tmp_path, tmp_path, 1, {})):
        names = [str(path.relative_to(tmp_path)) for path in job.protected]
        assert names == [".autoresearch.toml", "data", "evaluate.py"], "a folder stands for what is in it"
