"""The git program, run so that nothing of the machine it runs on changes what it writes."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autogit.errors import WorkspaceError

OLDEST = (2, 36)
"""The first version that knows core.fsync, by which refs reach the disk."""

NAME, EMAIL = "autogit", "autogit@localhost"
"""Who signs what autogit writes: never the person, who did not write it."""

_NEUTRAL = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.fsync": "committed,reference",
    "core.fsmonitor": "false",
    # Notes are a history of their own; a reflog would keep every version of a log that was dropped.
    "core.logAllRefUpdates": "false",
    "core.sparseCheckout": "false",
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Large files in slots are what their pointers say (see lfs.py); a filter of this clone must not fetch them.
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
}


class GitFailedError(WorkspaceError):
    """A git command failed; `stderr` is what it said."""

    def __init__(self, arguments: Sequence[str], stderr: str) -> None:
        words = [word for word in arguments if not word.startswith("-") and "=" not in word]
        super().__init__(f"git {' '.join(words[:2])} failed: {stderr.strip() or 'no message'}")
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class Git:
    """One repository's git. `directory` is its common directory: `.git` of the main checkout."""

    directory: Path
    format: str = "sha1"
    """The hash that names its objects: sha1 or sha256."""

    @property
    def id_bytes(self) -> int:
        """Bytes of an object's id; it is written with twice as many hexadecimal digits."""
        return hashlib.new(self.format).digest_size

    @property
    def no_id(self) -> str:
        """The id that stands for no object at all."""
        return "00" * self.id_bytes

    @property
    def reftable(self) -> bool:
        """Whether its refs are in tables (git 2.45 and later) and not in a file each."""
        return (self.directory / "reftable").is_dir()

    def run(self, *arguments: str, input: bytes = b"", variables: Mapping[str, str] | None = None,
            ok: Sequence[int] = (0,), cwd: Path | None = None, pass_fds: Sequence[int] = ()) -> bytes:  # fmt: skip
        """What a command prints, under autogit's own settings. Raises GitFailedError."""
        environment = neutral() | {"GIT_DIR": str(self.directory)} | dict(variables or {})
        return run_git(arguments, input, environment, ok, cwd or self.directory, pass_fds)

    def as_person(self, *arguments: str, cwd: Path, input: bytes = b"", ok: Sequence[int] = (0,),
                  pass_fds: Sequence[int] = ()) -> bytes:  # fmt: skip
        """The same under the person's settings, for what is theirs: their checkout, their remotes. No hooks."""
        environment = personal() | _settings({"core.hooksPath": os.devnull})
        return run_git(arguments, input, environment, ok, cwd, pass_fds)


def personal() -> dict[str, str]:
    """The environment without what would point git at another repository, and in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _TRANSPORT}
    return kept | {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0"}


def neutral() -> dict[str, str]:
    """The environment of everything that autogit writes."""
    return (
        personal()
        | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_AUTHOR_NAME": NAME,
            "GIT_AUTHOR_EMAIL": EMAIL,
            "GIT_COMMITTER_NAME": NAME,
            "GIT_COMMITTER_EMAIL": EMAIL,
        }
        | _settings(_NEUTRAL)
    )


def check_version() -> None:
    """Raises WorkspaceError where git is missing or too old."""
    said = run_git(["version"], b"", personal(), (0,), Path.cwd(), ()).decode()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise WorkspaceError(f"{said.strip()} is too old: autogit needs git {needed} or newer; please update git")


_TRANSPORT = {"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_PROXY_COMMAND", "GIT_SSL_CAINFO",
              "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"}  # fmt: skip


def _settings(values: Mapping[str, str]) -> dict[str, str]:
    pairs = {"GIT_CONFIG_COUNT": str(len(values))}
    for position, (key, value) in enumerate(values.items()):
        pairs |= {f"GIT_CONFIG_KEY_{position}": key, f"GIT_CONFIG_VALUE_{position}": value}
    return pairs


def run_git(arguments: Sequence[str], input: bytes, environment: Mapping[str, str], ok: Sequence[int], cwd: Path,
         pass_fds: Sequence[int]) -> bytes:  # fmt: skip
    """What git prints. Raises WorkspaceError where it is not installed, GitFailedError where it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], input=input, env=environment, cwd=cwd, capture_output=True, pass_fds=pass_fds
        )
    except FileNotFoundError:
        raise WorkspaceError("git is not installed or not on PATH; install git and try again") from None
    if done.returncode not in ok:
        raise GitFailedError(arguments, os.fsdecode(done.stderr))
    return done.stdout
