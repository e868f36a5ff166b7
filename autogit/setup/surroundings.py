"""What lies around a training script: the repository, its tracked files, and what git does not keep."""

from __future__ import annotations

import ast
import os
import re
import shlex
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from autogit.errors import WorkspaceError
from autogit.ledger.git.program import Git, GitFailedError, check_version

READ = (".py", ".yaml", ".yml", ".json", ".toml")
"""Files that hold code or settings."""
LARGEST = 200_000
"""Bytes of a file that is read."""
PRODUCED = {
    "__pycache__", "venv", "env", "node_modules", "build", "dist", "site", "runs", "logs", "log", "out", "output",
    "outputs", "results", "checkpoints", "ckpt", "ckpts", "wandb", "mlruns", "lightning_logs", "tmp", "temp",
}  # fmt: skip
"""Names of what tools and training leave behind: not data."""
_TOOLING = {
    "pyproject.toml", "package.json", "package-lock.json", "tsconfig.json", "mkdocs.yml", "docker-compose.yml",
    "docker-compose.yaml", "environment.yml", "environment.yaml", "conda.yaml", "poetry.toml", "uv.toml", "ruff.toml",
    "codecov.yml", "setup.py",
}  # fmt: skip
"""Settings of tools, not of training."""
_TESTS = re.compile(r"^\s*(?:async )?def test_|\bunittest\b|\bpytest\b|\(.*TestCase\)|^import doctest", re.MULTILINE)
_ELSEWHERE = ("/dev/", "/proc/", "/sys/", "/tmp/", "/usr/", "/bin/", "/etc/", "/lib")


@dataclass(frozen=True)
class Surroundings:
    """A folder in a git repository, as `git ls-files` shows it. Paths are relative to the folder."""

    folder: Path
    top: Path
    """The repository's root: the folder itself, or one above it in a monorepo."""
    tracked: tuple[str, ...]
    left_out: tuple[str, ...]
    """What is there and git does not keep, ignored or only untracked; a whole folder as one, with a `/` at its end."""
    branch: str
    changed: tuple[str, ...] = ()
    """Tracked files whose changes are not committed."""

    @classmethod
    def of(cls, folder: Path) -> Surroundings:
        """Looks at `folder`. Raises WorkspaceError where it is in no repository, or nothing is committed yet."""
        check_version()
        folder = folder.resolve()
        if not folder.is_dir():
            raise WorkspaceError(f"{folder} is no folder; give the one that holds the training code")
        git = Git(folder)
        try:
            top = Path(os.fsdecode(git.as_person("rev-parse", "--show-toplevel", cwd=folder)).removesuffix("\n"))
        except GitFailedError:
            make = f"cd {shlex.quote(str(folder))} && git init && git add . && git commit -m start"
            raise WorkspaceError(f"{folder} is in no git repository; make it one: {make}") from None
        branches = git.as_person("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=folder).decode().split()
        if not branches:
            raise WorkspaceError(f"{top} has no commit yet; make the first: git add . && git commit -m start")
        current = git.as_person("rev-parse", "--abbrev-ref", "HEAD", cwd=folder).decode().strip()
        main = next((b for b in ("main", "master", current) if b in branches), branches[0])
        others = ["ls-files", "-z", "--others", "--directory", "--no-empty-directory"]
        return cls(
            folder, top, _names(git.as_person("ls-files", "-z", cwd=folder)),
            _names(git.as_person(*others, cwd=folder)), main,
            _names(git.as_person("diff", "-z", "--name-only", "--relative", "HEAD", cwd=folder)),
        )  # fmt: skip

    @property
    def prefix(self) -> str:
        """Where the folder is in the repository: "" at its root."""
        place = self.folder.relative_to(self.top.resolve()).as_posix()
        return "" if place == "." else place

    @cached_property
    def texts(self) -> dict[str, str]:
        """The tracked files with code and settings, tests and hidden files aside: path -> text."""
        found = {path: read(self.folder / path) for path in self.tracked if _worth(path)}
        return {path: text for path, text in found.items() if text is not None and not is_test(path, text)}

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The submodules of the repository, as paths from the folder."""
        listing = _names(Git(self.folder).as_person("ls-files", "-z", "--stage", cwd=self.top))
        modules = (line.partition("\t")[2] for line in listing if line.startswith("160000 "))
        return tuple(os.path.relpath(module, self.prefix or ".") for module in modules)

    def data(self, strings: Iterable[str], start: str) -> tuple[list[str], list[str], list[str]]:
        """(ignored data that the code names, ignored data that it does not, paths outside the repository).

        `strings` are the texts in the code; `start` is the folder in which the script is started.
        """
        named = {s for s in strings if s and "\n" not in s and "\0" not in s and len(s) < 400}
        parts = {part for s in named for part in PurePosixPath(s).parts}
        ignored = [path for path in self.left_out if not _produced(path)]
        used = [path for path in ignored if PurePosixPath(path).name in parts]
        for text in sorted(named):
            for folder in dict.fromkeys(("", start)):
                used += [inside for inside in [self._ignored(folder, text)] if inside and not _covered(inside, used)]
        used = [path for path in used if not _covered(path, self.modules)]
        places = {os.path.normpath(PurePosixPath(folder or ".", s)) for s in named for folder in ("", start)}
        used += [module for module in self.modules if any(_covered(place, [module]) for place in places)]
        unused = [path for path in ignored if not any(_covered(path, [u]) or _covered(u, [path]) for u in used)]
        return used, unused, sorted(set(filter(None, map(self._outside, named))))

    def _ignored(self, start: str, text: str) -> str:
        """The file that `text` names from the folder `start`, if it exists and git does not keep it."""
        if text.startswith(("/", "~")) or ("/" not in text and "." not in text):
            return ""
        place = os.path.normpath(PurePosixPath(start, text))
        full = Path(os.path.normpath(self.folder / place))
        if place in (".", "..") or not _exists(full) or self.folder.is_relative_to(full) or _produced(place):
            return ""
        if place.startswith(".."):
            # Above the folder: data if it is in the same repository, and git does not keep it.
            return "" if not full.is_relative_to(self.top.resolve()) or self._kept_above(place) else place
        kept = place in self.tracked or any(path.startswith(f"{place}/") for path in self.tracked)
        return "" if kept else place

    def _kept_above(self, place: str) -> bool:
        return bool(Git(self.folder).as_person("ls-files", "-z", "--", place, cwd=self.folder))

    def _outside(self, text: str) -> str:
        """The path outside the repository that a word of the code names; "" for all that is none, whatever it is."""
        try:
            path = Path(text).expanduser() if text.startswith("~") else Path(text)
            if not path.is_absolute() or len(path.parts) < 3 or str(path).startswith(_ELSEWHERE) or not path.exists():
                return ""
        except (OSError, RuntimeError, ValueError):
            # "~=3.10" asks for the home of a user that does not exist.
            return ""
        return "" if path.is_relative_to(self.top) else str(path)


def read(path: Path) -> str | None:
    """A file's text; None for what is no text, too large, or gone."""
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=2048)
def parsed(text: str) -> ast.Module | None:
    """Returns a Python file's syntax tree; None if it does not parse."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def strings(tree: ast.AST) -> Iterator[str]:
    """Every text constant of a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _names(listing: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(name) for name in listing.split(b"\0") if name)


def _worth(path: str) -> bool:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    return path.endswith(READ) and not hidden and parts[-1] not in _TOOLING


def is_test(path: str, text: str) -> bool:
    """Whether a file is a test: by its name and what is in it, since `mnist_test.py` may be what is trained."""
    *folders, name = PurePosixPath(path).parts
    named = name.startswith(("test_", "conftest.")) or name.endswith("_test.py") or {"tests", "test"} & {*folders}
    if not named or not path.endswith(".py"):
        return bool(named) and not name.endswith("_test.py")
    return name == "conftest.py" or "tests" in folders or _TESTS.search(text) is not None


def _produced(path: str) -> bool:
    parts = [part for part in PurePosixPath(path).parts if part != ".."]
    return any(part.startswith(".") or part.lower() in PRODUCED or part.endswith(".egg-info") for part in parts)


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(path.rstrip("/") == f.rstrip("/") or path.startswith(f.rstrip("/") + "/") for f in folders)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
