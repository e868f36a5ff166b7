"""What a run leaves behind is read, walked and removed without trusting it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autogit.files import read_regular, remove_tree, strip_set_id, walk


def nest(folder: Path, depth: int, name: str = "d") -> None:
    """Makes `depth` folders, each in the last, and a file in the deepest."""
    folder.mkdir(exist_ok=True)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize(("depth", "name"), [(0, "d"), (1500, "d"), (5000, "dd"), (60, "n" * 255)])
def test_nested_folders_are_walked_and_removed(tmp_path: Path, depth: int, name: str) -> None:
    nest(tmp_path / "top", depth, name)
    found = [path for path, _ in walk(tmp_path / "top")]
    assert len(found) == depth + 1
    assert found[-1] == f"{name}/" * depth + "file"
    assert remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").exists()


def test_a_walk_that_is_led_on_for_ever_ends(tmp_path: Path) -> None:
    nest(tmp_path / "top", 700, "n" * 250)
    with pytest.raises(OSError, match="nested too deep"):
        list(walk(tmp_path / "top"))
    assert remove_tree(tmp_path / "top")


def test_removal_follows_no_link_and_heeds_no_permission(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    top = tmp_path / "top"
    (top / "locked" / "inner").mkdir(parents=True)
    (top / "locked" / "inner" / "file").write_text("x")
    (top / "link").symlink_to(tmp_path / "precious")
    os.mkfifo(top / "fifo")
    (top / "locked" / "inner").chmod(0)
    (top / "locked").chmod(0)
    assert remove_tree(top)
    assert (tmp_path / "precious" / "file").read_text() == "kept"
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    assert remove_tree(tmp_path / "link")
    assert (tmp_path / "precious" / "file").read_text() == "kept"
    assert remove_tree(tmp_path / "never was")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "device").symlink_to("/dev/zero")
    assert read_regular(tmp_path / "file") == b"0123456789"
    assert read_regular(tmp_path / "file", limit=4) == b"0123"
    for name in ("fifo", "link", "device", "absent", "."):
        assert read_regular(tmp_path / name) is None


def test_set_id_bits_are_stripped(tmp_path: Path) -> None:
    nest(tmp_path / "top", 3)
    inner = tmp_path / "top" / "d" / "d" / "d" / "file"
    inner.chmod(0o6755)
    strip_set_id(tmp_path / "top")
    assert stat.S_IMODE(inner.stat().st_mode) == 0o755


names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8)
names = names.filter(lambda name: name not in (".", ".."))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(names, min_size=1, max_size=6), max_size=12))
def test_any_tree_is_walked_whole_and_removed(tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]) -> None:
    top = tmp_path_factory.mktemp("any") / "top"
    top.mkdir()
    for parts in paths:
        top.joinpath(*parts).mkdir(parents=True, exist_ok=True)
    expected = {str(path.relative_to(top)) for path in top.rglob("*")}
    assert {path for path, _ in walk(top)} == expected
    assert remove_tree(top)
