"""The splits: no file in two, held-out packages whole, and the same for any folder of text."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workspace.gpt import python


def test_no_file_is_in_two_splits_and_held_out_packages_are_whole(modules: SimpleNamespace) -> None:
    splits = modules.data.files()
    every = [path for paths in splits.values() for path in paths]
    assert len(every) == len(set(every))
    masked = modules.data.masked()
    assert all(splits[name] for name in modules.data.SPLITS)
    for name, paths in splits.items():
        held_out = {any(path.is_relative_to(package) for package in masked) for path in paths}
        assert held_out == {name in ("validation", "audit")}


def test_next_to_nothing_of_what_is_scored_is_in_training(modules: SimpleNamespace) -> None:
    train = modules.data.load("train").tobytes()
    for split in ("validation", "audit"):
        held_out = modules.data.load(split)
        assert len(held_out) > modules.evaluate.SCORED_BYTES
        starts = np.linspace(0, len(held_out) - 400, 200).astype(int)
        # A licence may stand at the head of files on both sides.
        assert sum(held_out[s : s + 400].tobytes() in train for s in starts) <= 2


def test_masked_paths_and_one_hash_are_printed(modules: SimpleNamespace) -> None:
    done = python(Path(modules.data.__file__).parent, "data.py", "--masked")
    *paths, last = done.stdout.splitlines()
    assert [Path(path) for path in paths] == modules.data.masked()
    assert last.startswith("data_hash: ") and len(last) == len("data_hash: ") + 12


def test_a_folder_of_text_is_split_by_file(modules: SimpleNamespace, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    splits = modules.data.files(str(tmp_path))
    assert all(splits.values()) and sum(map(len, splits.values())) == 200
    assert modules.data.masked(str(tmp_path)) == splits["validation"] + splits["audit"]
    with pytest.raises(ValueError, match="no split 'test'"):
        modules.data.load("test")


@given(length=st.integers(1, 120_000), context=st.integers(1, 2000))
def test_windows_never_share_a_byte(modules: SimpleNamespace, length: int, context: int) -> None:
    places = np.arange(length)
    if context + 1 > min(length, modules.evaluate.SCORED_BYTES):
        with pytest.raises(modules.evaluate.Refused):
            modules.evaluate.windows(places, context)
        return
    windows = modules.evaluate.windows(places, context)
    assert windows.shape[1] == context + 1
    assert len(np.unique(windows)) == windows.size


def library(folder: Path, bytecode: bool = False) -> Path:
    """A Python of another version, as pyenv, conda and package caches lay it out."""
    for name in ("os", "json/__init__", "idlelib/pyshell", "sqlite3/dbapi2", "site-packages/numpy/__init__"):
        path = folder / (name + (".pyc" if bytecode else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_held_out_packages_are_hidden_in_every_python_that_training_can_read(
    modules: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons = [
        library(tmp_path / "pyenv/versions/3.9.18/lib/python3.9"),
        library(tmp_path / "conda/pkgs/python-3.12.1-h996f2a0_1/lib/python3.12"),
        library(tmp_path / "conda/envs/old/lib/pypy3.10", bytecode=True),
    ]
    monkeypatch.setenv("AUTOGIT_READABLE", f"{tmp_path / 'pyenv'}\n{tmp_path / 'conda'}\n{tmp_path / 'not there'}")
    expected = {python / name for python in pythons for name in ("idlelib", "sqlite3")}
    copied = tmp_path / "conda/share/editor/idlelib"
    copied.mkdir(parents=True)
    for path in modules.data.files()["validation"]:
        if path.parent.name == "idlelib":
            (copied / path.name).touch()
    archive = tmp_path / "conda/pkgs/python-3.12.1-h996f2a0_1.conda"
    archive.touch()
    library(tmp_path / "elsewhere/lib/python3.9")
    assert set(modules.data.masked()) == expected | {copied, archive}


def test_what_shares_no_more_than_a_name_with_them_stays_readable(
    modules: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("project/sqlite3/schema.py", "project/venv/bin/python", "project/curses/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("AUTOGIT_READABLE", str(tmp_path))
    assert modules.data.masked() == []


def test_nobody_searches_twice(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGIT_HELD_OUT", "/a/idlelib\n/b/curses")
    assert modules.data.masked() == [Path("/a/idlelib"), Path("/b/curses")]
