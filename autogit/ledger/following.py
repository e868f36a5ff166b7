"""Which of the person's checkouts have to follow `main`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from autogit.ledger.checkouts import checkouts
from autogit.ledger.follow import CheckoutBusyError, Follower
from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.program import Git
from autogit.ledger.git.refs import Journal, WriteLock

if TYPE_CHECKING:
    import psutil

_DYING = 1.0
"""Seconds within which a killed process is gone."""


class Following:
    """Which checkouts have to follow `main`. Kept on disk until they have, so that a crash does not forget one."""

    def __init__(self, git: Git, store: ObjectStore, main: str, lock: WriteLock,
                 trace: Callable[[str], None]) -> None:  # fmt: skip
        self._git = git
        self._store = store
        self._main = main
        self._lock = lock
        self._trace = trace
        self._journal = Journal(lock.path.with_name("following.json"))

    def blocked(self) -> str:
        """Why `main` cannot move now; empty where it can."""
        for checkout in checkouts(self._git):
            if checkout.rebasing == self._main:
                return f"{self._main} is being rebased in {checkout.root}"
        return ""

    def expect(self, old: str) -> None:
        """Notes, before `main` leaves the commit `old`, who has it checked out."""
        waiting = self._waiting()
        for checkout in checkouts(self._git):
            if checkout.head == self._main:
                waiting.setdefault(str(checkout.directory), old)
        if waiting:
            self._keep(waiting)
            self._trace("followers noted")

    def follow(self) -> list[str]:
        """Brings every waiting checkout to where `main` is now; what the person has to know."""
        waiting = self._waiting()
        if not waiting:
            return []
        words, still = [], {}
        tip = commits.resolve(self._store, self._main)
        places = {str(checkout.directory): checkout for checkout in checkouts(self._git)}
        for directory, old in waiting.items():
            checkout = places.get(directory)
            if checkout is None or checkout.head != self._main or old == tip:
                continue
            try:
                words.append(Follower(self._git, self._store, checkout, self._lock).follow(old, tip))
            except CheckoutBusyError as busy:
                words.append(str(busy))
                still[directory] = old
        self._trace("files followed")
        self._keep(still)
        return [word for word in words if word]

    def resume(self) -> None:
        """The same after a crash, from which a lock on an index can be left."""
        if not self._waiting():
            return
        with self._lock:
            for directory in self._waiting():
                _remove_dead_index_lock(Path(directory), self._git)
            self.follow()

    def _waiting(self) -> dict[str, str]:
        """Git directory of a checkout -> the commit whose files it has."""
        return self._journal.read() or {}

    def _keep(self, waiting: dict[str, str]) -> None:
        if waiting:
            self._journal.note(waiting)
        else:
            self._journal.clear()


def _remove_dead_index_lock(directory: Path, git: Git) -> None:
    """Removes `index.lock` where no git is at work in that checkout: a commit's editor can be open for an hour."""
    lock = directory / "index.lock"
    root = next((c.root for c in checkouts(git) if c.directory == directory), None)
    if root is None or not lock.exists():
        return
    import psutil

    # One that was killed a moment ago may still be on its way out.
    psutil.wait_procs(_at_work(root), timeout=_DYING)
    if not _at_work(root):
        lock.unlink(missing_ok=True)


def _at_work(root: Path) -> list[psutil.Process]:
    """The git processes in a checkout, and those of which the system does not tell where they are."""
    import psutil

    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        cwd, dead = process.info["cwd"], process.info["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        if process.info["name"] == "git" and not dead and (cwd is None or Path(cwd).is_relative_to(root)):
            found.append(process)
    return found
