"""Which paths a proposal may touch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from autogit.config.model import FILENAME, Train
from autogit.errors import PatchError

MAX_TEXT = 2 << 20
"""Characters of one proposal's text."""
MAX_FILE = 1 << 20
"""Bytes of one file that a proposal writes."""
MAX_FILES = 50
MAX_NAME = 255
"""Bytes of one name: what common file systems take."""
MAX_PATH = 1024
"""Bytes of a whole path, so that it fits below any folder that trials run in."""
MAX_DEPTH = 32
"""Folders above a file."""

GIT_FILES = frozenset({".git", "git~1", ".gitattributes", ".gitmodules", ".gitignore"})
"""What steers git itself: a filter or an ignore rule in a proposal would change what every later trial is made of."""


class Policy:
    """Decides on paths, which are given from the repository's root with "/" between folders.

    `editable` and `protected` are globs from the workspace folder `prefix` ("" where that is the root): `*` and `?`
    stay within one folder, `**` crosses folders. A protected folder protects all that is in it, whatever the case of
    its letters; an editable folder is written with a closing "/". The configuration is always protected.
    """

    def __init__(self, editable: Iterable[str], protected: Iterable[str], prefix: str = "") -> None:
        self.editable = tuple(editable)
        self.protected = tuple(protected)
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/.") else ""

    @classmethod
    def of(cls, train: Train, prefix: str = "") -> Policy:
        """The policy that a configuration states."""
        return cls(train.editable, train.protected, prefix)

    def allows(self, path: str) -> bool:
        """Whether a proposal may change or add this file."""
        return not self.objection(path)

    def check(self, path: str) -> None:
        """Raises PatchError where a proposal may not touch this file."""
        if objection := self.objection(path):
            raise PatchError(f"{_shown(path)}: {objection}")

    def objection(self, path: str) -> str:
        """Why a proposal may not touch this file; empty where it may."""
        if problem := malformed(path):
            return problem
        if not path.startswith(self.prefix):
            return f"lies outside of the workspace folder {self.prefix}"
        inner = path.removeprefix(self.prefix)
        if any(part.casefold() == FILENAME for part in path.split("/")):
            return "the configuration is not a proposal's to change"
        if self._protected.fullmatch(inner.casefold()):
            return "is protected"
        if not self._editable.fullmatch(inner):
            return f"is not editable (train.editable has {', '.join(self.editable)})"
        return ""

    @cached_property
    def _editable(self) -> re.Pattern[str]:
        return _any(glob + "**" if glob.endswith("/") else glob for glob in self.editable)

    @cached_property
    def _protected(self) -> re.Pattern[str]:
        globs = [glob.casefold().rstrip("/") for glob in self.protected]
        return _any([*globs, *(f"{glob}/**" for glob in globs)])


def malformed(path: str) -> str:
    """What is wrong with the form of a path; empty where nothing is."""
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "is not a path inside the repository"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") or c == "\\" for c in path):
        return "has characters that no path of a proposal may have"
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        return "is not a plain path (no '..', no empty part)"
    if any(len(part.encode()) > MAX_NAME for part in parts):
        return f"has a name of more than {MAX_NAME} bytes"
    if len(path.encode()) > MAX_PATH or len(parts) > MAX_DEPTH + 1:
        return f"is longer than {MAX_PATH} bytes or more than {MAX_DEPTH} folders deep"
    for part in parts:
        # Some file systems fold these names into one; git refuses them for the same reason.
        if unicodedata.normalize("NFKC", part).casefold().rstrip(" .") in GIT_FILES:
            return f"{part} belongs to git and is not a proposal's to change"
    return ""


def _any(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_expression(glob.removeprefix('./'))})" for glob in globs) or r"(?!)", re.DOTALL)


def _expression(glob: str) -> str:
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^]/]*\])", glob)
    return "".join(tokens.get(part) or (_range(part) if i % 2 else re.escape(part)) for i, part in enumerate(parts))


def _range(part: str) -> str:
    inner = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    if inner.startswith("!"):
        return f"[^/{inner[1:]}]"
    lead = "\\" if inner.startswith(("^", "]")) else ""
    return f"(?!/)[{lead}{inner}]"


def _shown(path: str) -> str:
    return path if path.isprintable() and path else repr(path)
