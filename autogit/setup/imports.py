"""What a script is made of: the files that it imports or names, over all of their own imports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from autogit.setup.surroundings import parsed, strings

_SETTINGS = (".yaml", ".yml", ".json", ".toml")
_LOADERS = {
    "yaml",
    "json",
    "tomllib",
    "toml",
    "tomli",
    "omegaconf",
    "hydra",
    "yacs",
    "ml_collections",
    "munch",
    "ruamel",
}
"""Packages that read settings files."""
_LONGEST_NAME = 200
"""Characters of a text that may name a file."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The files that have to do with what a script does."""

    files: tuple[str, ...]
    """The script first, then Python files in the order in which they are found, then settings files."""
    packages: frozenset[str]
    """Imported packages that are neither in the repository nor in the standard library."""
    roots: frozenset[str]
    """Folders that have to be on Python's path, besides the script's own; "" is the folder that was looked at."""

    @property
    def python(self) -> tuple[str, ...]:
        """The Python files among them."""
        return tuple(path for path in self.files if path.endswith(".py"))


def closure(script: str, texts: Mapping[str, str], command: str = "") -> Closure:
    """Follows the imports of `script` through `texts` (path -> text), and the files that it or `command` names."""
    home = _parent(script)
    said = set(re.findall(r"[\w./-]+", command))
    found: dict[str, None] = {script: None}
    packages: set[str] = set()
    roots: set[str] = set()
    waiting = [script, *(path for path in texts if path in said and path.endswith(".py"))]
    settings = {path for path in texts if path.endswith(_SETTINGS)}
    while waiting:
        path = waiting.pop(0)
        found[path] = None
        tree = parsed(texts.get(path, ""))
        if tree is None:
            continue
        imports, named_texts = _facts(texts[path])
        for module, level, names in imports:
            root, files = _resolve(module, level, names, path, home, texts)
            if not files and level == 0 and (top := module.partition(".")[0]) not in sys.stdlib_module_names:
                packages.add(top)
            if files and level == 0 and root is not None and root != home:
                roots.add(root)
            waiting += [file for file in files if file not in found and file not in waiting]
        for text in named_texts:
            named = _named(text, path, home, texts)
            if named.endswith(".py") and named not in found and named not in waiting:
                waiting.append(named)
    used = _settings(settings, texts, list(found), said, bool(packages & _LOADERS) or _loads(texts, found))
    targets = {t for path in used for t in re.findall(r"_target_:\s*[\"']?([\w.]+)", texts[path])}
    more = [file for target in sorted(targets) for file in _resolve(target, 0, (), script, home, texts)[1]]
    if any(file not in found for file in more):
        # Hydra's `_target_` is an import that stands in a settings file.
        extra = [closure(file, texts) for file in dict.fromkeys(more) if file not in found]
        for each in extra:
            found |= dict.fromkeys(each.python)
            packages |= each.packages
    return Closure((*found, *sorted(used)), frozenset(packages), frozenset(roots))


@lru_cache(maxsize=4096)
def _facts(text: str) -> tuple[tuple[tuple[str, int, tuple[str, ...]], ...], frozenset[str]]:
    """What a file imports, and the short texts in it: they may be names of files."""
    tree = parsed(text)
    if tree is None:
        return (), frozenset()
    return tuple(imported(tree)), frozenset(s for s in strings(tree) if len(s) < _LONGEST_NAME and "\n" not in s)


def imported(tree: ast.AST) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """(module, level, names) of each import statement; the level counts the dots before the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, tuple(alias.name for alias in node.names)


def module_of(path: str) -> str:
    """`pkg/train.py` as `python -m` spells it."""
    return path.removesuffix(".py").removesuffix("/__main__").removesuffix("/__init__").replace("/", ".")


def _resolve(
    module: str, level: int, names: tuple[str, ...], path: str, home: str, texts: Mapping[str, str]
) -> tuple[str | None, list[str]]:
    """(the folder from which a module is found, its files); (None, []) if it is not of the repository."""
    if level:
        base = PurePosixPath(path)
        for _ in range(level):
            base = base.parent
        return None, _files(_joined(base.as_posix(), module.replace(".", "/")), names, texts)
    # Python looks beside the script and where it is started, never beside the file that imports.
    parents = [p.as_posix().removeprefix(".") for p in PurePosixPath(home, "x").parents]
    roots = dict.fromkeys([home, "", *parents, *(_joined(p, "src") for p in ("", *parents))])
    for root in roots:
        if files := _files(_joined(root, module.replace(".", "/")), names, texts):
            return root, files
        # `import a.b.C`: the last part may be a name in the module.
        if "." in module and (files := _files(_joined(root, module.rpartition(".")[0].replace(".", "/")), (), texts)):
            return root, files
    return None, []


def _files(place: str, names: tuple[str, ...], texts: Mapping[str, str]) -> list[str]:
    """The files of the module at `place` and of those `names` that are modules in it."""
    own = [file for file in (f"{place}.py", _joined(place, "__init__.py")) if file in texts]
    inner = [f"{_joined(place, n)}{end}" for n in names for end in (".py", "/__init__.py")]
    files = [*own[:1], *(file for file in inner if file in texts)]
    # The packages on the way are run, too.
    outer = (
        [_joined(p.as_posix().removeprefix("."), "__init__.py") for p in PurePosixPath(place).parents] if files else []
    )
    return [*files, *(file for file in outer if file in texts and file not in files)]


def _named(text: str, path: str, home: str, texts: Mapping[str, str]) -> str:
    """The tracked file that a text in the code names."""
    if not text.endswith((".py", *_SETTINGS)) or "\n" in text:
        return ""
    places = (_joined(home, text.removeprefix("./")), text.removeprefix("./"), _joined(_parent(path), text))
    return next((place for place in places if place in texts), "")


def _settings(settings: set[str], texts: Mapping[str, str], python: list[str], said: set[str], loads: bool) -> set[str]:
    """The settings files that the code, the command or another used settings file names."""
    exact = {s.removeprefix("./") for path in python for s in _facts(texts.get(path, ""))[1]}
    ends = {PurePosixPath(s).name for s in exact if s.endswith(_SETTINGS)}
    words = {PurePosixPath(word).name for word in said}
    used = {
        path
        for path in settings
        if path in said
        or PurePosixPath(path).name in ends | words
        or (loads and PurePosixPath(path).stem in exact | words)
    }
    if not used and loads and len(settings) == 1:
        return set(settings)
    while True:
        inside = {word for path in used for word in re.findall(r"[\w-]+", texts[path])}
        folders = {_parent(path) for path in used}
        more = {
            path
            for path in settings - used
            if PurePosixPath(path).stem in inside
            and (_parent(path) in folders or PurePosixPath(path).parent.name in inside)
        }
        if not more:
            return used
        used |= more


def _loads(texts: Mapping[str, str], python: Mapping[str, None]) -> bool:
    return any(
        module.partition(".")[0] in _LOADERS for path in python for module, _, _ in _facts(texts.get(path, ""))[0]
    )


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix().removeprefix(".")


def _joined(folder: str, name: str) -> str:
    folder = folder.removeprefix("./").removeprefix(".") if folder in (".", "") else folder
    return f"{folder}/{name}" if folder and name else folder or name
