from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import git

from autogit.errors import PatchError
from autogit.patch import Policy, land
from autogit.patch.policy import MAX_FILE, MAX_TEXT
from autogit.protocols import Landed

POLICY = Policy(["**/*.py", "**/*.txt"], [])
Reader = Callable[[str], bytes | None]


def reader(**files: bytes) -> Reader:
    return {name.replace("_", "."): data for name, data in files.items()}.get


def test_the_canonical_diff_is_what_git_applies(tmp_path: Path) -> None:
    before = "a\n\x0cform feed\nlone\rreturn\n\u2028separator\nlast"
    (tmp_path / "x.txt").write_bytes(before.encode())
    git(tmp_path, "init", "-q")
    text = "--- x.txt\n+++ x.txt\n@@\n \u2028separator\n-last\n+very last\n--- /dev/null\n+++ n/y.txt\n@@\n+new\n"
    done = land(text, reader(x_txt=before.encode()), POLICY)
    git(tmp_path, "apply", "--check", "-", text=done.diff)
    (tmp_path / "d.diff").write_bytes(done.diff.encode())
    git(tmp_path, "apply", "d.diff")
    assert {name: (tmp_path / name).read_bytes() for name in done.changes} == done.changes
    assert done.changes == {"n/y.txt": b"new\n", "x.txt": before.replace("last", "very last").encode()}


def test_a_refusal_shows_the_hunk_and_the_nearest_lines() -> None:
    text = "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 3\n"
    with pytest.raises(PatchError, match=r"x\.py: hunk 1 of 1 matches nothing in the file") as caught:
        land(text, reader(x_py=b"import os\n\n\ndef f():\n    return 2\n"), POLICY)
    assert "-    return 1\n+    return 3" in caught.value.detail
    assert "    4  def f():\n    5      return 2" in caught.value.detail


def test_an_ambiguous_hunk_shows_its_places() -> None:
    with pytest.raises(PatchError, match=r"fits 2 places \(lines 1, 3\)") as caught:
        land("--- x.txt\n+++ x.txt\n@@\n-a\n+b\n", reader(x_txt=b"a\nx\na\ny\n"), POLICY)
    assert "    1  a\n    2  x" in caught.value.detail


def test_a_byte_order_mark_stays() -> None:
    data = "\ufefffirst\nsecond\n".encode()
    text = "--- x.txt\n+++ x.txt\n@@\n-first\n+1st\n second\n"
    assert land(text, reader(x_txt=data), POLICY).changes == {"x.txt": "\ufeff1st\nsecond\n".encode()}
    assert land(
        text.replace("-first", "-\ufefffirst").replace("+1st", "+\ufeff1st"), reader(x_txt=data), POLICY
    ).changes
    with pytest.raises(PatchError, match="byte order mark"):
        land(text.replace("-first", "-\ufefffirst"), reader(x_txt=data), POLICY)


def test_a_file_that_never_parsed_may_stay_so() -> None:
    text = "--- x.py\n+++ x.py\n@@\n-print 1\n+print 2\n"
    assert land(text, reader(x_py=b"print 1\n"), POLICY).changes == {"x.py": b"print 2\n"}


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b"a\0b\n"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(PatchError, match="text only"):
        land("--- x.txt\n+++ x.txt\n@@\n-a\n+b\n", reader(x_txt=data), POLICY)


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_what_would_be_no_text_is_refused(character: str) -> None:
    with pytest.raises(PatchError, match="characters that no text file has"):
        land(f"--- x.txt\n+++ x.txt\n@@\n-a\n+{character}\n", reader(x_txt=b"a\n"), POLICY)


def test_sizes_are_bounded() -> None:
    with pytest.raises(PatchError, match="characters"):
        land(" " * (MAX_TEXT + 1), reader(), POLICY)
    with pytest.raises(PatchError, match="bytes"):
        land("--- /dev/null\n+++ b/x.txt\n@@\n+" + "x" * MAX_FILE + "\n", reader(), POLICY)
    many = "".join(f"--- /dev/null\n+++ b/{n}.txt\n@@\n+x\n" for n in range(60))
    with pytest.raises(PatchError, match="60 files"):
        land(many, reader(), POLICY)


def test_what_the_reader_refuses_is_refused() -> None:
    def read(path: str) -> bytes | None:
        raise PatchError(f"{path}: is a symbolic link")

    with pytest.raises(PatchError, match=r"x\.txt: is a symbolic link"):
        land("--- x.txt\n+++ x.txt\n@@\n-a\n+b\n", read, POLICY)


def test_a_file_is_no_folder() -> None:
    with pytest.raises(PatchError, match=r"a\.txt is a file, not a folder"):
        land("--- /dev/null\n+++ b/a.txt/b.txt\n@@\n+x\n", reader(a_txt=b"a\n"), POLICY)


def test_paths_may_be_given_from_the_workspace_folder() -> None:
    policy = Policy(["*.txt"], [], prefix="sub")
    read = {"sub/x.txt": b"a\n"}.get
    for name in ("sub/x.txt", "x.txt"):
        assert land(f"--- a/{name}\n+++ b/{name}\n@@\n-a\n+b\n", read, policy).changes == {"sub/x.txt": b"b\n"}


def test_a_folder_named_like_a_prefix() -> None:
    read = {"a/x.txt": b"1\n", "x.txt": b"1\n"}.get
    assert list(land("--- a/x.txt\n+++ a/x.txt\n@@\n-1\n+2\n", read, POLICY).changes) == ["a/x.txt"]
    assert list(land("--- a/x.txt\n+++ b/x.txt\n@@\n-1\n+2\n", read, POLICY).changes) == ["x.txt"]
    assert list(land("--- a/a/x.txt\n+++ b/a/x.txt\n@@\n-1\n+2\n", read, POLICY).changes) == ["a/x.txt"]


@pytest.mark.parametrize("name", ["näme with space.txt", 'quo"te.txt'])
def test_odd_names_as_git_writes_them(tmp_path: Path, name: str) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / name).write_text("a\n")
    git(tmp_path, "add", ".")
    (tmp_path / name).write_text("b\n")
    text = git(tmp_path, "diff") + "\n"
    assert land(text, {name: b"a\n"}.get, POLICY).changes == {name: b"b\n"}


def land_or_none(text: str, read: Reader) -> Landed | None:
    try:
        return land(text, read, POLICY)
    except PatchError:
        return None


def test_mixed_line_endings_land_as_git_wrote_them(tmp_path: Path) -> None:
    before, after = b"a\r\nb\nc\r\nd\n", b"a\r\nB\r\nc\r\nd\n"
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.autocrlf", "false")
    (tmp_path / "x.txt").write_bytes(before)
    git(tmp_path, "add", ".")
    (tmp_path / "x.txt").write_bytes(after)
    diff = subprocess.run(["git", "diff"], cwd=tmp_path, capture_output=True, check=True).stdout.decode()
    assert land(diff, reader(x_txt=before), POLICY).changes == {"x.txt": after}


def test_a_whole_number_is_no_evidence_against_the_text() -> None:
    """Exact at line 1, and one level deeper at the stated line: either may be damaged, so neither is taken."""
    base = b"x = 1\ny = 2\nif y:\n    x = 1\n    y = 2\n"
    text = "--- x.txt\n+++ x.txt\n@@ -4,2 +4,9 @@\n x = 1\n-y = 2\n+y = 3\n"
    assert land_or_none(text, reader(x_txt=base)) is None
    assert land_or_none(text.replace("-4,2", "-7,2"), reader(x_txt=base)) is not None


def test_the_room_is_light_to_import() -> None:
    code = "import sys, autogit.patch; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"unidiff", "numpy", "git", "openai", "optuna", "torch"} & set(loaded)
