"""What the shipped workspace hides from itself, behind each tier's own fence."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from shipped import SHIPPED

from autogit.execute.reaper.landlock import version

SCRIPT = """
import os, pathlib, sys
import data, isolation
masked = data.masked()
assert masked, "nothing is masked"
before = [sum(1 for _ in path.rglob("*.py")) for path in masked]
if not isolation.hide(masked, silence=True):
    sys.exit("could not hide")
import decimal, numpy.linalg, xml.dom.minidom
print("imports", bool(before))
for path in masked:
    for file in path.glob("*.py"):
        try:
            print("reads", file, len(file.read_bytes()))
        except OSError:
            pass
open("/dev/null", "w").close()
try:
    pathlib.Path("/dev/shm/left").write_text("left")
except OSError:
    print("leaves nothing")
"""


def test_the_text_is_hidden_and_python_still_imports(bench: Any) -> None:
    for name in ("data.py", "isolation.py"):
        bench.checkout.mkdir(exist_ok=True)
        shutil.copy(SHIPPED / name, bench.checkout / name)
    (bench.checkout / "probe.py").write_text(SCRIPT)
    execution = bench.run("prints_nothing", command=f"OPENBLAS_NUM_THREADS=1 {sys.executable} probe.py")
    if not version():
        pytest.skip("this kernel has no Landlock")
    assert "could not hide" not in execution.log
    assert execution.succeeded, execution.log
    assert "imports True" in execution.log and "leaves nothing" in execution.log
    assert "reads" not in execution.log


def test_nothing_to_allow_is_said_before_anything_is_given_up(bench: Any) -> None:
    bench.checkout.mkdir(exist_ok=True)
    shutil.copy(SHIPPED / "isolation.py", bench.checkout)
    hidden = Path(sys.base_prefix) / "lib"
    (bench.checkout / "probe.py").write_text(f"""
import pathlib, isolation
try:
    print("hid", isolation.hide([pathlib.Path({str(hidden)!r})]))
except isolation.IsolationError as error:
    print("refused", error)
import decimal
""")
    execution = bench.run("prints_nothing", command=f"{sys.executable} probe.py")
    assert execution.succeeded, execution.log
    assert ("refused cannot hide" in execution.log) == bool(version())
