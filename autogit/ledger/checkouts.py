"""The person's own checkouts of the repository: where they are and what is checked out there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autogit.ledger.git.program import Git


@dataclass(frozen=True, slots=True)
class Checkout:
    """One working tree of the person, with the git directory that is its own."""

    git: Git
    root: Path
    directory: Path

    @property
    def head(self) -> str:
        """The full name of the branch that is checked out; empty if it is a bare commit."""
        where = {"GIT_DIR": str(self.directory)}
        return self.git.run("symbolic-ref", "-q", "HEAD", variables=where, ok=(0, 1)).decode().strip()

    @property
    def rebasing(self) -> str:
        """The branch that a rebase in progress will move when it ends; empty where there is none."""
        for folder in ("rebase-merge", "rebase-apply"):
            name = self.directory / folder / "head-name"
            if name.exists():
                return name.read_text().strip()
        return ""


def checkouts(git: Git) -> list[Checkout]:
    """The main checkout and every `git worktree` of the person that is still there."""
    found = []
    said = git.run("config", "--get", "core.worktree", ok=(0, 1)).decode().rstrip("\n")
    if (git.directory / "index").exists() or git.directory.name == ".git":
        root = (git.directory / said).resolve() if said else git.directory.parent
        found.append(Checkout(git, root, git.directory))
    for pointer in sorted(git.directory.glob("worktrees/*/gitdir")):
        root = Path(os.fsdecode(pointer.read_bytes().rstrip(b"\n"))).parent
        if root.is_dir():
            found.append(Checkout(git, root, pointer.parent))
    return found
