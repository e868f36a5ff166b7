"""What lies around a training script: the repository, its tracked files, and what git does not keep."""

from __future__ import annotations

import ast
import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
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
        return {path: text for path in self.tracked if _worth(path) and (text := read(self.folder / path)) is not None}

    def data(self, strings: Iterable[str], beside: str) -> tuple[list[str], list[str], list[str]]:
        """(ignored data that the code names, ignored data that it does not, paths outside the repository).

        `strings` are the texts in the code; `beside` is the folder of the script.
        """
        named = {s for s in strings if s and "\n" not in s and len(s) < 400}
        parts = {part for s in named for part in PurePosixPath(s).parts}
        ignored = [path for path in self.left_out if not _produced(path)]
        used = [path for path in ignored if PurePosixPath(path).name in parts]
        for text in sorted(named):
            for start in dict.fromkeys(("", beside)):
                used += [inside for inside in [self._ignored(start, text)] if inside and not _covered(inside, used)]
        unused = [path for path in ignored if not any(_covered(path, [u]) or _covered(u, [path]) for u in used)]
        return used, unused, sorted(set(filter(None, map(self._outside, named))))

    def _ignored(self, start: str, text: str) -> str:
        """The file that `text` names, where it exists and git does not keep it."""
        if text.startswith(("/", "~")) or ("/" not in text and "." not in text):
            return ""
        place = os.path.normpath(PurePosixPath(start, text))
        kept = place in self.tracked or any(path.startswith(f"{place}/") for path in self.tracked)
        if place.startswith("..") or place == "." or kept or not _exists(self.folder / place):
            return ""
        return "" if _produced(place) else place

    def _outside(self, text: str) -> str:
        path = Path(text).expanduser() if text.startswith("~") else Path(text)
        if not path.is_absolute() or len(path.parts) < 3 or str(path).startswith(_ELSEWHERE) or not _exists(path):
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


def parsed(text: str) -> ast.Module | None:
    """A Python file's syntax tree; None where it does not parse."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
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
    return path.endswith(READ) and not hidden and not is_test(path)


def is_test(path: str) -> bool:
    """Whether a file is a test by its name."""
    *folders, name = PurePosixPath(path).parts
    return name.startswith(("test_", "conftest.")) or "tests" in folders or "test" in folders


def _produced(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part.startswith(".") or part.lower() in PRODUCED or part.endswith(".egg-info") for part in parts)


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(path.rstrip("/") == f.rstrip("/") or path.startswith(f.rstrip("/") + "/") for f in folders)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
