"""Context in another spelling lands if its place is unique, and adds lines in the file's own spelling."""

from __future__ import annotations

import pytest

from autogit.errors import PatchError
from autogit.patch import Policy, land

CODE = """\
import math

NAME = "it's - here"  # a name


def build(width, depth):
    layers = []
    for _ in range(depth):
        layers.append(width)
        width = width * 2
    return layers


class Model:
    def forward(self, x):
        if self.training:
            x = self.drop(x)
        return x
"""
TABS = CODE.replace("    ", "\t")


def landed(before: str, diff: str) -> str:
    changes = land(f"--- a/m.py\n+++ b/m.py\n{diff}", {"m.py": before.encode()}.get, Policy(("*.py",), ())).changes
    data = changes["m.py"]
    assert data is not None
    return data.decode()


LOOP = """\
@@
 def build(width, depth):
     layers = []
     for _ in range(depth):
-        layers.append(width)
+        if width > 2:
+            layers.append(width + 1)
         width = width * 2
"""
WANTED = CODE.replace("        layers.append(width)\n", "        if width > 2:\n            layers.append(width + 1)\n")


def indented(diff: str, unit: str) -> str:
    """The same diff, its lines indented by another unit."""
    lines = []
    for line in diff.splitlines():
        sign, text = line[:1], line[1:]
        depth = (len(text) - len(text.lstrip(" "))) // 4
        lines.append(line if sign == "@" else sign + unit * depth + text.lstrip(" "))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("unit", ["\t", "  ", "        ", "\u00a0\u00a0\u00a0\u00a0"])
def test_another_indentation_is_put_back(unit: str) -> None:
    assert landed(CODE, indented(LOOP, unit)) == WANTED


@pytest.mark.parametrize("unit", ["    ", "  "])
def test_blanks_for_tabs_are_put_back(unit: str) -> None:
    assert landed(TABS, indented(LOOP, unit)) == WANTED.replace("    ", "\t")


@pytest.mark.parametrize("shift", ["  ", "    ", "\t"])
def test_a_uniform_shift_is_put_back(shift: str) -> None:
    shifted = "".join(
        line if line.startswith("@") else f"{line[0]}{shift}{line[1:]}" for line in LOOP.splitlines(keepends=True)
    )
    assert landed(CODE, shifted) == WANTED


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("NAME = “it’s – here”  # a name", "NAME = “it’s – there”", 'NAME = "it\'s - there"'),
        ("NAME = “it's - here”  # a name", "NAME = “here”", 'NAME = "here"'),
        ('NAME = "it\'s — here"\t# a name', 'NAME = "it\'s — there"', 'NAME = "it\'s - there"'),
        ('NAME\u00a0= "it\'s - here"  # a name', 'NAME\u00a0= "no"', 'NAME = "no"'),
        ('NAME = "it\'s\u200b - here"  # a name', 'NAME = "no"', 'NAME = "no"'),
    ],
)
def test_typographic_characters_are_put_back(old: str, new: str, wanted: str) -> None:
    after = landed(CODE, f"@@\n import math\n \n-{old}\n+{new}\n")
    assert after == CODE.replace('NAME = "it\'s - here"  # a name', wanted)


def test_what_the_file_spells_so_itself_stays() -> None:
    before = CODE.replace("# a name", "# a “name” – here")
    after = landed(before, '@@\n import math\n \n-NAME = "it\'s - here"  # a "name" - here\n+NAME = \'x\'  # “new”\n')
    assert after == before.replace('NAME = "it\'s - here"  # a “name” – here', "NAME = 'x'  # “new”")


@pytest.mark.parametrize(
    ("diff", "reason"),
    [
        # Two places in that spelling.
        ("@@\n-\tx = 1\n+\tx = 2\n", "fits 2 places"),
        # One line is indented more, another less: no indentation of the file goes with both.
        ("@@\n def f():\n-    x = 1\n+    x = 2\n         y = 2\n", "matches nothing"),
        ("@@\n-    z = “1”\n+    z = 2\n", "matches nothing"),
    ],
)
def test_what_is_not_unique_or_does_not_go_together_is_refused(diff: str, reason: str) -> None:
    before = "def f():\n    x = 1\n    y = 2\n\n\ndef g():\n    x = 1\n    y = 3\n"
    with pytest.raises(PatchError, match=reason):
        landed(before, diff)
