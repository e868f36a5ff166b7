"""New modules that would stand in front of what protected code imports.

Python looks for a module beside the script first: a new `json.py` beside a protected evaluator is what it imports.
"""

from __future__ import annotations

import pkgutil
import shlex
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath

from autogit.config.model import Config
from autogit.errors import PatchError

MODULE_SUFFIXES = (".py", ".pyc", ".pyd", ".so")
AT_START = ("sitecustomize", "usercustomize")
"""Modules that Python itself imports, if there are any."""


def check_shadows(added: Iterable[str], config: Config, prefix: str = "") -> None:
    """Raises PatchError if a new file would be imported in the place of a module of Python or of an installed package.

    `added`: paths from the repository's root. Looked at are the folders of protected files and of the scripts that the
    configured commands start, which all are in the workspace folder `prefix`. A file that was there before is the
    person's own choice.
    """
    folders = set(_folders(config))
    for path in added:
        inner = PurePosixPath(path).relative_to(prefix or ".")
        name = _module(inner.parts[-1])
        place = inner.parent
        if name == "__init__" and inner.parent.name:
            name, place = inner.parent.name, inner.parent.parent
        if name in _importable() and (str(place) in folders or any(_open(folder) for folder in folders)):
            raise PatchError(
                f"{path}: protected code beside it would import it in the place of the installed module {name}; "
                "give the new file another name"
            )


def _module(name: str) -> str:
    return name.partition(".")[0] if name.endswith(MODULE_SUFFIXES) else ""


def _folders(config: Config) -> Iterator[str]:
    """Yields the folders that Python may look in first, relative to the workspace folder; "." is that itself."""
    yield "."
    for glob in config.train.protected:
        yield str(PurePosixPath(glob.rstrip("/")).parent)
        if glob.endswith("/") or not PurePosixPath(glob).suffix:
            yield str(PurePosixPath(glob.rstrip("/")))
    evaluate, budget = config.evaluate, config.budget
    for command in (evaluate.command, evaluate.audit, evaluate.holdout, budget.command, budget.check):
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        yield from (str(PurePosixPath(word).parent) for word in words if word.endswith(".py"))


def _open(folder: str) -> bool:
    return "*" in folder or "?" in folder or "[" in folder


@cache
def _importable() -> frozenset[str]:
    """Returns the names of Python's own modules and of what is installed beside autogit."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    installed = (module.name for module in pkgutil.iter_modules(sorted(places)))
    return frozenset({*sys.stdlib_module_names, *AT_START, *installed})
