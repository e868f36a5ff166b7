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
"""One for each thing that autogit does. They do not import each other."""
GROUND = {"errors", "records", "events", "history", "protocols", "diff", "wording", "files", "config"}
"""What every room may use."""
ABOVE = {
    "trial": set(),
    "loop": {"trial"},
    "wiring": {*ROOMS, "trial", "loop"},
    "lab": {*ROOMS, "trial", "wiring"},
    "setup": {*ROOMS, "trial", "lab", "wiring"},
    "mcp": {"lab", "trial"},
    "watch": {"lab", "report", "trial"},
    "cli": {"lab", "setup", "trial", "mcp", "watch"},
}
"""What else those may use that put rooms together."""
FACES = ("cli", "mcp")
REACHES = {
    "evaluate.gains", "evaluate.checks", "propose.ideas", "propose.beliefs", "propose.lineage", "propose.models",
    "report.export",
    "report.exporters", "report.compare", "report.finalize", "report.select", "report.page",
}  # fmt: skip
"""Values that the faces show, by the module that defines them."""


def modules() -> Iterator[tuple[str, Path]]:
    """Gives every module's dotted name below `autogit`, with its file."""
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), file


def imports(file: Path) -> Iterator[str]:
    """Gives what a file imports, on demand or for its annotations, too: `a.b` and, for `from a import b`, `a.b`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(file: Path) -> Iterator[str]:
    """Gives the modules of this package that a file imports, by their dotted names below `autogit`."""
    known = {name for name, _ in modules()}
    for name in imports(file):
        if name.startswith("autogit."):
            inner = name.removeprefix("autogit.")
            yield inner if inner in known else inner.rpartition(".")[0]


def test_who_may_import_whom() -> None:
    wrong = []
    for name, file in modules():
        own = name.split(".")[0]
        if own in ("", "__main__"):
            continue
        allowed = {own, *GROUND, *ABOVE.get(own, set())}
        for used in own_imports(file):
            reached = ".".join(used.split(".")[:2])
            if used and used.split(".")[0] not in allowed and not (own in FACES and reached in REACHES):
                wrong.append(f"{name} imports {used}")
    assert not wrong


def test_nothing_is_imported_in_a_circle() -> None:
    graph = {name: {used for used in own_imports(file) if used and used != name} for name, file in modules()}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for used in sorted(graph.get(name, ())):
                walk(used, (*path, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())


def test_the_reaper_is_made_of_the_standard_library_alone() -> None:
    foreign = set()
    for file in (PACKAGE / "execute" / "reaper").glob("*.py"):
        for name in imports(file):
            if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("autogit.execute.reaper"):
                foreign.add(f"{file.name} imports {name}")
    assert not foreign


def test_git_knows_nothing_of_autogit() -> None:
    used = {u for f in (PACKAGE / "ledger" / "git").glob("*.py") for u in own_imports(f)}
    assert {u for u in used if not u.startswith(("ledger.git", "errors"))} == set()


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
    heavy = {"torch", "numpy", "git", "openai", "optuna", "matplotlib", "rich", "ast_grep_py", "psutil", "yaml"} | {
        "starlette",
        "uvicorn",
    }
    assert not loaded & heavy
