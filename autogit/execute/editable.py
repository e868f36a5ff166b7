"""Keeps a trial from importing the person's checkout: what an environment takes from there comes from the trial's own.

`pip install -e`, uv and poetry leave a path of the repository in the environment (`.pth` files, finders of setuptools,
`.egg-link`). A run would import what lies there, unsaved edits included, and all trials would train the same code.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from autogit.config.model import FILENAME
from autogit.errors import ConfigError
from autogit.files import read_regular
from autogit.protocols import Job

_SYSTEM_PACKAGES = (
    "usr/lib/python3/dist-packages", "usr/lib/python3*/*-packages", "usr/local/lib/python3*/*-packages",
)  # fmt: skip
_PACKAGES = "lib/python3*/*-packages"
_ISOLATED = re.compile(r"-[A-Za-z]*[IE][A-Za-z]*")
"""`python -I` and `-E` heed no PYTHONPATH."""


def python_path(job: Job, passed: str, environments: Iterable[Path]) -> str:
    """Returns PYTHONPATH for `job`: first what `environments` import from the person's repository, in the checkout.

    `passed`: PYTHONPATH as the configuration passes it on. Raises ConfigError if the run would import the repository
    all the same.
    """
    entries = [entry for entry in passed.split(os.pathsep) if entry]
    repository = job.repository
    if repository is None:
        return os.pathsep.join(entries)
    inside = _relative(entries, repository, job.checkout)
    mapped = [str(job.checkout / inside[entry]) if entry in inside else entry for entry in entries]
    installed = _installed(repository, tuple(environments))
    _check_command(job, repository, tuple(environments), installed)
    first = [str(job.checkout / folder) for folder in installed]
    return os.pathsep.join(dict.fromkeys([*first, *mapped]))


@lru_cache
def _installed(repository: Path, environments: tuple[Path, ...]) -> tuple[Path, ...]:
    """The folders of the repository, relative to it, that the environments' packages are imported from."""
    folders = [packages for prefix in environments for packages in prefix.glob(_PACKAGES)]
    folders += [packages for pattern in _SYSTEM_PACKAGES for packages in Path("/").glob(pattern)]
    folders += [prefix for prefix in environments if prefix.name in ("site-packages", "dist-packages")]
    named = [entry for packages in folders for entry in _entries(packages)]
    found = _relative(named, repository, None)
    return tuple(sorted(set(found.values()), key=lambda folder: (len(folder.parts), folder)))


def _entries(packages: Path) -> Iterator[str]:
    """Every path that a folder of packages adds to what can be imported."""
    for file in sorted(packages.glob("*.pth")) + sorted(packages.glob("*.egg-link")):
        for line in (read_regular(file) or b"").decode(errors="replace").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield os.path.normpath(packages / line.strip())
    for file in sorted(packages.glob("__editable__*_finder.py")):
        for name, place in _mapping((read_regular(file) or b"").decode(errors="replace")):
            path = Path(place)
            if (path.name if path.suffix != ".py" else path.stem) == name.rpartition(".")[2]:
                # A package a.b.c in src/a/b/c is imported from src.
                yield str(path.parents[name.count(".")])


def _mapping(source: str) -> Iterator[tuple[str, str]]:
    """The MAPPING of a finder that setuptools wrote: package -> its folder."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and target.id == "MAPPING":
            try:
                yield from ast.literal_eval(node.value).items() if node.value is not None else ()
            except (ValueError, AttributeError):
                return


def _relative(entries: Iterable[str], repository: Path, checkout: Path | None) -> Mapping[str, Path]:
    """Those of `entries` that lie in the repository, but not in the checkout, with their place in it."""
    root = repository.resolve()
    found = {}
    for entry in entries:
        place = Path(entry)
        if not place.is_absolute() or (checkout is not None and place.is_relative_to(checkout)):
            continue
        for path in (place, place.resolve()):
            for top in (repository, root):
                if path.is_relative_to(top):
                    found[entry] = path.relative_to(top)
    return found


def _check_command(job: Job, repository: Path, environments: tuple[Path, ...], installed: tuple[Path, ...]) -> None:
    """Raises ConfigError for a command that runs code of the person's checkout by its absolute path."""
    try:
        words = shlex.split(job.command)
    except ValueError:
        return  # An unclosed quote: the shell will say so.
    named = [word.removeprefix("PYTHONPATH=") for word in words if word.startswith("PYTHONPATH=")]
    code = [place for entry in named for place in entry.split(os.pathsep)]
    code += [word for word in words if word.endswith((".py", ".sh"))]
    # What a run writes into its own folder, a notebook's code, is made of its own checkout.
    code = [place for place in code if not Path(place).is_relative_to(job.out)]
    for word in _relative(code, repository, job.checkout):
        if not any(Path(word).is_relative_to(environment) for environment in environments):
            relative = os.path.relpath(Path(word).resolve(), repository.resolve())
            raise ConfigError(
                f"{FILENAME}: the command names {word}, which is your own checkout: every trial would run that, and "
                f"not its own code; name it relative to the repository: {relative}"
            )
    if installed and _is_isolated(words):
        raise ConfigError(
            f"{FILENAME}: {repository / installed[0]} is installed as editable, and `python -I` (or -E) would import "
            "it from your own checkout in every trial; leave that option out"
        )


def _is_isolated(words: Iterable[str]) -> bool:
    after_python = False
    for word in words:
        if after_python and _ISOLATED.fullmatch(word):
            return True
        after_python = Path(word).name.startswith("python") or (after_python and word.startswith("-"))
    return False
