"""Canonical diffs are what git itself applies, to the byte."""

from __future__ import annotations

import tempfile
from pathlib import Path

from conftest import git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogit.diff import unified

LINES = st.lists(st.sampled_from(["a\n", "b\n", "  c\n", "\n", "d\r\n", "\f\n", "é\n", "- x\n", "+ y\n"]), max_size=12)
TEXTS = st.builds(lambda lines, tail: "".join(lines) + tail, LINES, st.sampled_from(["", "no newline"]))
NAMES = st.sampled_from(
    ["train.py", "with space.py", 'quo"te.py', "tab\there.py", "back\\slash.py", "né.py", "-dash.py"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, old=TEXTS, new=TEXTS)
def test_git_applies_it_and_gets_the_same_bytes(name: str, old: str, new: str) -> None:
    diff = unified({name: old}, {name: new})
    assert bool(diff) == (old != new)
    if not diff:
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / name).write_bytes(old.encode())
        # Where a file becomes empty or was empty, git would have it created or deleted only if the diff said so.
        git(folder, "apply", "--whitespace=nowarn", "--unidiff-zero", "-", text=diff)
        assert (folder / name).read_bytes() == new.encode()


def test_new_and_deleted_files(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("x = 1\n")
    git(tmp_path, "apply", "-", text=unified({"old.py": "x = 1\n"}, {"old.py": None, "new.py": "y = 2"}))
    assert not (tmp_path / "old.py").exists()
    assert (tmp_path / "new.py").read_text() == "y = 2"
