from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autogit.diff import applied, unified

LINES = st.sampled_from(["a", "b", "--- x", "+++ y", "@@ -1 +1 @@", "", "\\ c", "\r", "é"])
TEXTS = st.builds(
    lambda lines, closed: "\n".join(lines) + ("\n" if closed and lines else ""),
    st.lists(LINES, max_size=12),
    st.booleans(),
)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(["f.py", "d/é x.py", 'q"t.py', "tab\t.py"]))
def test_a_diff_applies_forwards_and_backwards(before: str, after: str, path: str) -> None:
    diff = unified({path: before}, {path: after})
    if before != after:
        assert applied({path: before}, diff) == {path: after}
        assert applied({path: after}, diff, reverse=True) == {path: before}


def test_new_and_deleted_files() -> None:
    new = unified({}, {"n.py": "x\n"})
    assert applied({}, new) == {"n.py": "x\n"}
    assert applied({"n.py": "x\n"}, new, reverse=True) == {"n.py": None}
    assert applied({"n.py": "x\n"}, unified({"n.py": "x\n"}, {"n.py": None})) == {"n.py": None}


def test_what_is_not_there_is_not_changed() -> None:
    diff = unified({"f.py": "a\nb\nc\n"}, {"f.py": "a\nB\nc\n"})
    assert applied({"f.py": "a\nx\nc\n"}, diff) is None
    assert applied({"f.py": "a\nb\nc"}, unified({"f.py": "b\nc\n"}, {"f.py": "b\nC\n"})) is None
    assert applied({}, diff) is None
    assert applied({}, "diff --git a/x b/x\nBinary files a/x and b/x differ\n") is None
    assert applied({}, "") == {}


def test_names_in_quotes_of_git() -> None:
    diff = '--- "a/d/\\303\\251.py"\n+++ "b/d/\\303\\251.py"\n@@ -1 +1 @@\n-a\n+b\n'
    assert applied({"d/é.py": "a\n"}, diff) == {"d/é.py": "b\n"}
