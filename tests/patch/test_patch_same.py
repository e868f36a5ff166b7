from __future__ import annotations

import pytest

from autogit.patch import digest, normalised, only_seed, same_program, without_effect

DIFF = """--- a/train.py
+++ b/train.py
@@ -1,3 +1,4 @@
 import os
-rate = 1
+rate = 2
+decay = 3
 end = 4
"""


@pytest.mark.parametrize(
    "other",
    [
        DIFF.replace("-1,3 +1,4", "-10,3 +12,4"),
        DIFF.replace(" import os\n", "").replace(" end = 4\n", ""),
        DIFF.replace("rate = 2\n", "rate = 2  \n"),
        DIFF.replace("--- a/", "--- ").replace("+++ b/", "+++ "),
        "Words\n```diff\n" + DIFF + "```\n",
        DIFF.replace("+rate = 2\n", "").replace("+decay = 3\n", "+decay = 3\n+rate = 2\n"),
        DIFF.replace(" import os\n", "-import os\n+import os\n"),
    ],
)
def test_one_change_however_it_is_written(other: str) -> None:
    assert other != DIFF
    assert normalised(other) == normalised(DIFF)


@pytest.mark.parametrize(
    "other",
    [
        DIFF.replace("rate = 2", "rate = 3"),
        DIFF.replace("-rate = 1\n", ""),
        DIFF.replace("rate = 2", "  rate = 2"),
        DIFF.replace("train.py", "model.py"),
        DIFF.replace("+rate = 2", "-rate = 2"),
    ],
)
def test_another_change(other: str) -> None:
    assert normalised(other) != normalised(DIFF)


def test_a_digest_tells_results_apart() -> None:
    one = {"a.py": b"x = 1\ny = 2\n", "b.py": None}
    assert digest(one) == digest({"b.py": None, "a.py": b"x = 1  \ny = 2"})
    for other in ({"a.py": b"y = 2\nx = 1\n", "b.py": None}, {"a.py": b"x = 1\ny = 2\n", "b.py": b""}, {"b.py": None}):
        assert digest(other) != digest(one)


PROGRAM = b'''"""Doc."""
import random
SEED = 1


def f(x):
    """Doc."""
    random.seed(7)
    return "a" + x  # why
'''


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ((b"# why", b"# because"), True),
        ((b'"""Doc."""\nimport', b"import"), True),
        ((b'    """Doc."""\n', b""), True),
        ((b"\n\n\ndef", b"\ndef"), True),
        ((b'"a" + x', b"('a' + x)"), True),
        ((b'"a"', b'"b"'), False),
        ((b"SEED = 1", b"SEED = 2"), False),
        ((b"return", b"retrun x"), False),
    ],
)
def test_same_program(change: tuple[bytes, bytes], same: bool) -> None:
    after = PROGRAM.replace(*change)
    assert after != PROGRAM
    assert same_program(PROGRAM, after) is same


@pytest.mark.parametrize(
    ("path", "before", "after", "seed"),
    [
        ("t.py", "SEED = 1", "SEED = 2", True),
        ("t.py", "seed: int = 1", "seed: int = 2  # lucky", True),
        ("t.py", "self.random_state = 1", "self.random_state = 2", True),
        ("t.py", "torch.manual_seed(1)", "torch.manual_seed(1337)", True),
        ("t.py", "torch.manual_seed(1 + rank)", "torch.manual_seed(2 + rank)", False),
        ("t.py", "f(x, seed=1)", "f(x, seed=2)", True),
        ("t.py", "def f(a, seed=1, *, b_seed=2): pass", "def f(a, seed=3, *, b_seed=4): pass", True),
        (
            "t.py",
            "p.add_argument('--seed', type=int, default=1)",
            "p.add_argument('--seed', type=int, default=2)",
            True,
        ),
        ("t.py", "p.add_argument('--steps', default=1)", "p.add_argument('--steps', default=2)", False),
        ("t.py", "SEED = 1\nx = 1", "SEED = 2\nx = 2", False),
        ("t.py", "seeded = 1", "seeded = 2", False),
        ("t.py", "x = 1  # a", "x = 1  # b", False),
        ("t.toml", "seed = 1\nlr = 1", "seed = 2\nlr = 1", True),
        ("t.toml", "seed = 1\nlr = 1", "seed = 2\nlr = 2", False),
        ("t.json", '{"seed": 1}', '{"seed": 2}', True),
        ("t.yaml", "data_seed: 1", "data_seed: 2", True),
    ],
)
def test_only_seed(path: str, before: str, after: str, seed: bool) -> None:
    assert only_seed(before.encode(), after.encode(), path) is seed


def test_changes_without_effect() -> None:
    base = {"t.py": b"SEED = 1\n", "m.py": b"x = 1\n", "new.py": None}
    assert without_effect(base, {"m.py": b"x = 1  # one\n"}) == "changes only comments, docstrings or layout"
    assert without_effect(base, {"m.py": b"x = 1  # one\n", "t.py": b"SEED = 2\n"}) == "changes only the seed"
    assert without_effect(base, {"m.py": b"x = 2\n", "t.py": b"SEED = 2\n"}) == ""
    assert without_effect(base, {"new.py": b"# only words\n", "t.py": b"SEED = 2\n"}) == ""
    assert without_effect(base, {"m.py": None}) == ""
