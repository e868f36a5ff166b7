"""Executors are chosen by name, in one place, and another package can bring one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autogit.config.load import parse
from autogit.config.model import Config, ExecutorChoice
from autogit.errors import ConfigError
from autogit.execute.local import LocalExecutor
from autogit.execute.registry import _installed, backend_of


def named(backend: str) -> Config:
    config = parse('[train]\ncommand = "python train.py"')
    return replace(config, executor=ExecutorChoice(backend))


def test_this_machine_is_the_default() -> None:
    assert backend_of(parse('[train]\ncommand = "python train.py"')) is LocalExecutor


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r'executor.backend = "locl": expected one of "local".*did you mean "local"'):
        backend_of(named("locl"))


def test_another_package_brings_an_executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faraway.py").write_text(
        "from autogit.execute.local import LocalExecutor\n\n\nclass Faraway(LocalExecutor):\n    pass\n"
    )
    (tmp_path / "faraway-1.dist-info").mkdir()
    (tmp_path / "faraway-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: faraway\nVersion: 1\n")
    entry = "[autogit.executors]\nfaraway = faraway:Faraway\n"
    (tmp_path / "faraway-1.dist-info" / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    _installed.cache_clear()
    try:
        assert backend_of(named("faraway")).__name__ == "Faraway"  # type: ignore[attr-defined]
    finally:
        _installed.cache_clear()
