"""The shape of the package: what may import what, and how quickly it starts."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import autogit

PACKAGE = Path(autogit.__file__).parent
ROOMS = {"propose", "patch", "execute", "evaluate", "ledger", "report"}
ROOT_ONLY = {"loop", "lab", "wiring", "trial", "setup", "cli"}
"""What knows rooms or is above them; no room looks up."""


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_rooms_do_not_import_each_other_or_what_is_above_them() -> None:
    wrong = []
    for room in ROOMS:
        for file in (PACKAGE / room).rglob("*.py"):
            for name in imports(file):
                parts = name.split(".")
                if parts[0] == "autogit" and len(parts) > 1 and parts[1] in (ROOMS | ROOT_ONLY) - {room}:
                    wrong.append(f"{file.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_nothing_imports_torch() -> None:
    assert not [str(f) for f in PACKAGE.rglob("*.py") if any(n.split(".")[0] == "torch" for n in imports(f))]


def test_only_the_command_line_prints() -> None:
    printing = []
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] == "cli":
            continue
        calls = (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call))
        printing += [str(file) for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    assert not printing


def test_help_loads_nothing_heavy() -> None:
    script = "import sys; import autogit.cli; print(*sorted(m.split('.')[0] for m in sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"torch", "numpy", "git", "openai", "optuna", "matplotlib", "rich", "ast_grep_py", "psutil", "yaml"}
    assert not loaded & heavy
