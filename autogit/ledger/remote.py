"""The other side of a sync: a plain git remote, listed, fetched from and sent to. Nothing is ever forced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger.git.program import Git, GitFailedError

BESIDE = "refs/autogit-remotes/"
"""Where a plain `git fetch` puts the other side's notes and shelves, below the remote's name: never over ours."""

_MOVED = ("fetch first", "non-fast-forward", "cannot lock", "failed to update ref", "incorrect old value",
          "already exists", "stale info")  # fmt: skip
"""What git says of a push when somebody else came first."""


class PushRefusedError(WorkspaceError):
    """The remote moved between fetching and sending; fetch again."""


class Remote:
    """One remote of the workspace, by its name or its URL, under the person's own settings."""

    def __init__(self, git: Git, root: Path, name: str) -> None:
        self._git = git
        self._root = root
        self.name = name

    def refs(self, *wanted: str) -> dict[str, str]:
        """What the remote has: those of `wanted` that name a ref, and all below those that end in a slash."""
        patterns = [f"{name}*" if name.endswith("/") else name for name in wanted]
        lines = self._person("ls-remote", "--refs", "--", self.name, *patterns).decode().splitlines()
        found = {ref: id for id, ref in (line.split("\t", 1) for line in lines)}
        return {ref: id for ref, id in found.items() if ref in wanted or ref.startswith(tuple(wanted))}

    def fetch(self, refs: Iterable[str]) -> None:
        """Brings the objects of some of its refs. No ref of ours moves: a fetch can be killed at any moment."""
        names = "".join(f"{ref}\n" for ref in refs)
        if names:
            # As a pack, which git syncs to the disk, however small it is.
            self._person(
                "-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--refmap=", "--no-tags", "--no-write-fetch-head",
                "--no-auto-maintenance", "--no-recurse-submodules", "--stdin", "--", self.name, input=names.encode(),
            )  # fmt: skip

    def push(self, specs: Sequence[str]) -> None:
        """Sends refs, fast-forwards only, all or none. Raises PushRefusedError, WorkspaceError."""
        try:
            self._person("push", "--quiet", "--atomic", "--no-signed", "--no-follow-tags", "--recurse-submodules=no",
                         "--", self.name, *specs)  # fmt: skip
        except GitFailedError as error:
            if any(word in error.stderr for word in _MOVED):
                raise PushRefusedError(f"{self.name} moved meanwhile: {error.stderr.strip()}") from None
            raise

    def remember(self) -> None:
        """Sets up a named remote so that a plain `git fetch` brings the notes too, beside ours."""
        if self.name not in self._person("remote").decode().split("\n"):
            return
        key = f"remote.{self.name}.fetch"
        present = self._git.run("config", "--local", "--get-all", key, ok=(0, 1)).decode().split("\n")
        for space in ("notes", "autogit"):
            spec = f"+refs/{space}/*:{BESIDE}{self.name}/{space}/*"
            if spec not in present:
                self._git.run("config", "--local", "--add", key, spec)

    def _person(self, *arguments: str, input: bytes = b"") -> bytes:
        return self._git.as_person(*arguments, cwd=self._root, input=input)
