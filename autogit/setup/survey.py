"""Looks at a repository as a newcomer would: what trains here, what it prints, what could be tried.

Nothing is run. It stands beside `lab` and uses the rooms: parameters are found as the proposers find them, metrics as
the evaluator reads them.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autogit.config.model import FILENAME
from autogit.errors import WorkspaceError
from autogit.setup.constants import Constant, constraints, worth_searching
from autogit.setup.metrics import Printed, printed
from autogit.setup.scripts import Script, started, training_scripts
from autogit.setup.surroundings import Surroundings, parsed, read, strings

__all__ = ["Survey", "survey"]

_PROTECTED = re.compile(r"(eval\w*|evaluate\w*|metrics?|scor(e|ing)|prepare\w*)\.py|conftest\.py|test_\w*\.py")
_CACHES = {
    "datasets": "~/.cache/huggingface", "transformers": "~/.cache/huggingface", "timm": "~/.cache/huggingface",
    "nltk": "~/nltk_data",
}  # fmt: skip
"""Where libraries keep what they have downloaded."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in a folder. Paths are relative to it."""

    folder: Path
    prefix: str
    """Where the folder is in its repository; "" at the root."""
    branch: str
    script: Script
    others: tuple[str, ...]
    """Further scripts that look as if they train."""
    metric: Printed | None
    other_metrics: tuple[Printed, ...]
    editable: tuple[str, ...]
    protected: tuple[str, ...]
    data: tuple[str, ...]
    outside: tuple[str, ...]
    """Paths outside the repository that the code reads."""
    constants: tuple[Constant, ...]
    constraints: tuple[str, ...]
    doubts: tuple[str, ...]
    """What could not be told, each a sentence with what to do."""


def survey(folder: Path) -> Survey:
    """Looks at `folder`. Raises WorkspaceError where it is in no repository or holds nothing that trains."""
    around = Surroundings.of(folder)
    scripts = training_scripts(around.texts)
    if not scripts:
        raise WorkspaceError(_nothing_trains(around))
    script = started(scripts[0], around)
    own = _own(script.path, around)
    files = {path: text for path, text in around.texts.items() if path in own}
    doubts = list(script.doubts)
    metrics = _metrics(script.path, files)
    if not metrics:
        doubts.append(
            f'no metric is printed by {script.path}, as far as can be seen; "val_loss" is a guess: print a line '
            'such as "val_loss: 0.5" at the end, or name what it prints in metric.name and metric.patterns'
        )
    elif not metrics[0].sure:
        doubts.append(f"whether {metrics[0].name} is better when lower is a guess: see metric.direction")
    constants, fixed = worth_searching(_effective(files, script, scripts[1:]), script.command)
    doubts += fixed
    if not constants:
        doubts.append("no constant has a name that says what it does; list those worth searching in [space]")
    used, unused, outside = _reads(script.path, files, around)
    doubts += [
        f"{path} is not in git and no code names it; if training reads it, add it to train.data" for path in unused
    ]
    doubts += _habits(files)
    if script.path in around.changed:
        doubts.append(f"{script.path} has changes that are not committed; trials start from the last commit")
    return Survey(
        folder=around.folder,
        prefix=around.prefix,
        branch=around.branch,
        script=script,
        others=tuple(scripts[1:4]),
        metric=metrics[0] if metrics else None,
        other_metrics=tuple(metrics[1:6]),
        editable=_editable(script.path, constants),
        protected=tuple(sorted(p for p in own if _PROTECTED.fullmatch(PurePosixPath(p).name) and p != script.path)),
        data=tuple(path.rstrip("/") for path in used),
        outside=tuple(outside),
        constants=tuple(constants),
        constraints=tuple(constraints(constants)),
        doubts=tuple(doubts),
    )


def _nothing_trains(around: Surroundings) -> str:
    untracked = [path for path in around.left_out if path.endswith(".py")]
    if untracked:
        names = ", ".join(untracked[:3])
        add = f"git add {shlex.quote(untracked[0])} && git commit -m start"
        return f"{names} in {around.folder} is not committed; trials start from commits: {add}"
    broken = [path for path, text in around.texts.items() if path.endswith(".py") and parsed(text) is None]
    if broken:
        return f"{', '.join(broken[:3])} in {around.folder} is no valid Python: python -m py_compile {broken[0]}"
    notebook = next((path for path in around.tracked if path.endswith(".ipynb")), None)
    if notebook:
        script = f"{notebook.removesuffix('.ipynb')}.py"
        return (
            f"{notebook} in {around.folder} is a notebook, and trials are runs of a script: "
            f"jupyter nbconvert --to script {shlex.quote(notebook)}, commit {script}, and look again: autogit init"
        )
    return (
        f"nothing in {around.folder} looks like a training script; "
        f'write {FILENAME} by hand, two lines are enough:  [train]  command = "python train.py --seed {{seed}}"'
    )


def _own(script: str, around: Surroundings) -> set[str]:
    """The script's project: all of the folder, or in a folder of many projects only the one that the script is in."""
    top, inner, _ = script.partition("/")
    if not inner or f"{top}/__init__.py" in around.tracked or _is_sources(top):
        return set(around.tracked)
    return {path for path in around.tracked if path.startswith(f"{top}/")}


def _effective(files: dict[str, str], script: Script, others: list[str]) -> dict[str, str]:
    """The files that can have to do with what `script` does.

    Another script that nothing imports has not; and of several settings files only those that something names.
    """
    imported = {
        path: set(re.findall(r"\w+", " ".join(re.findall(r"^\s*(?:import|from)\s.*", text, re.MULTILINE))))
        for path, text in files.items()
        if path.endswith(".py")
    }
    alone = {
        other
        for other in others
        if not any(PurePosixPath(other).stem in words for path, words in imported.items() if path != other)
    }
    settings = [path for path in files if not path.endswith(".py")]
    said = {path: set(re.findall(r"[\w-]+", text)) for path, text in files.items()}
    said[""] = set(re.findall(r"[\w-]+", script.command))
    unnamed = {
        path
        for path in settings
        if len(settings) > 1
        and not any(PurePosixPath(path).stem in words for other, words in said.items() if other != path)
    }
    return {path: text for path, text in files.items() if path not in alone | unnamed}


def _is_sources(folder: str) -> bool:
    return folder in ("src", "scripts", "lib", "bin", "tools")


def _editable(script: str, constants: list[Constant]) -> tuple[str, ...]:
    """Python files of the project, and the settings files that hold what is searched."""
    top, inner, _ = script.partition("/")
    code = f"{top}/**/*.py" if inner and not _is_sources(top) else "**/*.py"
    settings = sorted({c.place.path for c in constants if not c.place.path.endswith(".py")})
    return (code, *settings)


def _metrics(script: str, files: dict[str, str]) -> list[Printed]:
    """Of the script, else of whatever code prints one."""
    found = printed(files.get(script, ""), script)
    if any(metric.order[0] == 0 for metric in found):
        return found
    rest = [m for path, text in files.items() if path.endswith(".py") and path != script for m in printed(text, path)]
    by_name = {metric.name: metric for metric in sorted([*found, *rest], key=lambda m: m.order, reverse=True)}
    return sorted(by_name.values(), key=lambda metric: metric.order)


def _reads(script: str, files: dict[str, str], around: Surroundings) -> tuple[list[str], list[str], list[str]]:
    texts: set[str] = set()
    for path, text in files.items():
        tree = parsed(text) if path.endswith(".py") else None
        # A YAML file's words, split where a value may begin or end.
        texts.update(strings(tree) if tree else re.split(r"[\s:\"',\[\]{}]+", text))
    texts.update(re.split(r"[\s=]+", read(around.folder / script) or "") if script.endswith(".sh") else ())
    used, unused, outside = around.data(texts, PurePosixPath(script).parent.as_posix().removeprefix("."))
    caches = [_CACHES[name] for name in _imported(files) if name in _CACHES]
    return used, unused, [*outside, *(c for c in dict.fromkeys(caches) if Path(c).expanduser().exists())]


def _habits(files: dict[str, str]) -> list[str]:
    """What the sandbox would stop: the network."""
    doubts = []
    if imported := {"wandb", "comet_ml", "neptune"} & _imported(files):
        names = ", ".join(sorted(imported))
        doubts.append(
            f"the code imports {names}, and runs have no network: use its offline mode, or sandbox.network = true"
        )
    if any(
        re.search(r"download\s*=\s*True|urlretrieve|requests\.get\(|fetch_(openml|california)", t)
        for t in files.values()
    ):
        doubts.append("the code downloads data, and runs have no network: download once, keep it in train.data")
    return doubts


def _imported(files: dict[str, str]) -> set[str]:
    pattern = re.compile(r"^\s*(?:import|from)\s+(\w+)", re.MULTILINE)
    return {name for path, text in files.items() if path.endswith(".py") for name in pattern.findall(text)}
