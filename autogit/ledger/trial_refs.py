"""The refs of trials: which numbers are free, the clone's name before them, and which refs move if a trial ends."""

from __future__ import annotations

import platform
import re
import secrets
from collections.abc import Iterator

from autogit.errors import MainMovedError, WorkspaceError
from autogit.ledger import message
from autogit.ledger.git import commits
from autogit.ledger.git.refs import Move
from autogit.ledger.repository import Repository
from autogit.records import Record

BRANCHES, TAGS, DEAD = "refs/heads/exp/", "refs/tags/exp/", "refs/tags/dead/"


def ending(repository: Repository, record: Record) -> list[Move]:
    """The moves that end the trial of `record`, whose note is written; those that are already made do nothing.

    Raises MainMovedError where `main` cannot take an accepted trial.
    """
    trial, id, refs, main = record.trial, record.id, repository.refs, repository.branch
    tag = refs.get(TAGS + id)
    if tag not in (None, trial.commit):
        raise WorkspaceError(f"the tag exp/{id} is on another commit than the trial; remove it: git tag -d exp/{id}")
    moves = [Move(TAGS + id, tag, trial.commit)]
    if record.verdict.dead and refs.get(DEAD + id) is None:
        moves.append(
            Move(DEAD + id, None, commits.add_tag(repository.store, trial.commit, f"dead/{id}", epitaph(record)))
        )
    if record.accepted and not trial.is_baseline:
        tip = refs.get(main)
        if tip != trial.commit:
            if tip != trial.base:
                raise MainMovedError(f"{main} moved from {trial.base[:10]} to {str(tip)[:10]} while exp/{id} ran")
            if reason := repository.following.blocked():
                raise MainMovedError(reason)
            moves.append(Move(main, tip, trial.commit))
    moves.append(Move(BRANCHES + id, refs.get(BRANCHES + id), None))
    return moves


def epitaph(record: Record) -> str:
    """The message of a dead trial's tag: what `git tag -n` shows is its first line."""
    title, reason = message.one_line(record.trial.title), message.one_line(record.reason)
    return f"{title}: {record.verdict.value}" + (f", {reason}" if reason else "") + "\n"


LAB_KEY = "autogit.lab"


class Numbers:
    """Of one clone. Its name lives in the clone's own git configuration, so that no clone of it shares it."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._next: int | None = None
        self.lab = ""
        """The name of this clone among several; empty where it has none."""
        self.named = False
        """Whether it was settled that it has this name, or none."""
        self._read()

    def settle(self) -> None:
        """Gives this clone a name where other trials than its own are here: those belong to another clone."""
        if self.named:
            return
        with self._repository.lock:
            self._read()
            if not self.named:
                self._choose()

    def free(self) -> Iterator[str]:
        """Ids that nobody has taken, the lowest first."""
        refs = self._repository.refs
        if self._next is None:
            self.settle()
            found = refs.list(BRANCHES + self.id(""), TAGS + self.id(""))
            taken = [ref.rpartition("/")[2] for ref in found if self.own(ref.split("/", 3)[3])]
            self._next = 1 + max(map(int, taken), default=-1)
        for number in range(self._next, self._next + 100_000):
            id = self.id(number)
            if refs.get(TAGS + id) is None and refs.get(BRANCHES + id) is None:
                yield id

    def took(self, id: str) -> None:
        """The trial `id` is open: numbers go on after it."""
        self._next = number(id) + 1

    def gave_back(self, id: str) -> None:
        """The number of `id` is free again."""
        self._next = min(number(id) if self._next is None else self._next, number(id))

    def start_again(self) -> None:
        """Other refs are here than before."""
        self._next = None

    def own(self, id: str) -> bool:
        """Whether `id` is one of this clone's trials."""
        name, _, digits = id.rpartition("/")
        return name == self.lab and digits.isdecimal()

    def id(self, number: int | str) -> str:
        """The id of this clone's trial, or archive, of a number."""
        return f"{self.lab}/{number}" if self.lab else str(number)

    def _read(self) -> None:
        said = self._repository.git.run("config", "--local", "--get", LAB_KEY, ok=(0, 1)).decode()
        self.lab, self.named = said.strip(), bool(said)

    def _choose(self) -> None:
        if self._repository.refs.list(TAGS) or next(self._repository.notes.records(), None) is not None:
            host = re.sub(r"[^a-z0-9]+", "-", platform.node().lower()).strip("-") or "lab"
            self.lab = f"{host[:20].strip('-')}-{secrets.token_hex(2)}"
        self._repository.git.run("config", "--local", LAB_KEY, self.lab)
        self.named = True


def number(id: str) -> int:
    """The number in a trial's id, without the lab's name."""
    return int(id.rpartition("/")[2])
