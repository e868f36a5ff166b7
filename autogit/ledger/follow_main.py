"""How the files of the person's checkouts follow `main`, as far as that touches nothing unsaved."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autogit.errors import WorkspaceError
from autogit.files import walk
from autogit.ledger.git import commits
from autogit.ledger.git.objects import Entry, ObjectStore, changed
from autogit.ledger.git.program import Git, GitFailedError
from autogit.ledger.git.refs import Journal, WriteLock

if TYPE_CHECKING:
    import psutil


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


class CheckoutBusyError(WorkspaceError):
    """Another git command holds the checkout's index just now."""


class Follower:
    """Takes one checkout from the tree of one commit to that of another."""

    def __init__(self, git: Git, store: ObjectStore, checkout: Checkout, lock: WriteLock) -> None:
        self._git = git
        self._store = store
        self._checkout = checkout
        self._lock = lock

    def follow(self, old: str, new: str) -> str:
        """Empty where the files are those of `new` now, else what the person has to know. Raises CheckoutBusyError.

        Safe to repeat after a crash. Where a changed path is dirty no file is touched; the index moves on, so that the
        accepted change never looks like a staged removal.
        """
        paths = {p: (a, b) for p, a, b in changed(self._store, self._tree(old), self._tree(new))}
        if (self._checkout.directory / "index.lock").exists():
            raise CheckoutBusyError(
                f"main moved to {new[:10]}, but another git command is at work in {self._checkout.root}: "
                "its files follow later"
            )
        try:
            self._run("update-index", "-q", "--refresh", ok=(0, 1))
            self._adopt({p: b for p, (_, b) in paths.items()})
            # Git would overwrite, or delete with all that is in it, what it ignores.
            dirty = self._in_the_way(paths)
            if not dirty:
                self._run("read-tree", "-m", "-u", old, new)
                return ""
        except GitFailedError:
            dirty = self._dirty(list(paths))
        self._move_index(paths)
        shown = ", ".join(map(_shown, dirty[:5])) or "a merge or an untracked file in the way"
        return (
            f"main moved to {new[:10]}, but your changes in {self._checkout.root} are in the way ({shown}): its files "
            f"wait. Commit or put your changes aside, then: git checkout {new[:10]} -- ."
        )

    def _tree(self, commit: str) -> str:
        return commits.read(self._store, commit).tree

    def _run(self, *arguments: str, input: bytes = b"", ok: tuple[int, ...] = (0,)) -> bytes:
        return self._git.as_person(*arguments, cwd=self._checkout.root, input=input, ok=ok,
                                   pass_fds=[self._lock.descriptor])  # fmt: skip

    def _index(self) -> dict[bytes, Entry]:
        lines = self._run("ls-files", "-s", "-z").split(b"\0")
        pairs = [line.split(b"\t", 1) for line in lines if line]
        return {
            path: Entry(mode, id.decode())
            for mode, id, stage, path in ((*facts.split(), path) for facts, path in pairs)
            if stage == b"0"
        }

    def _adopt(self, wanted: dict[bytes, Entry | None]) -> None:
        """Tells the index of files that are already new: a crash came between writing them and writing the index."""
        index, lines = self._index(), []
        for path, entry in wanted.items():
            file = self._checkout.root / os.fsdecode(path)
            if entry is None or index.get(path) == entry or file.is_symlink() or not file.is_file():
                continue
            id = self._run("hash-object", "-t", "blob", f"--path={os.fsdecode(path)}", "--", str(file)).decode().strip()
            if id == entry.id:
                lines.append(b"%s %s\t%s\0" % (entry.mode, entry.id.encode(), path))
        if lines:
            self._run("update-index", "-z", "--index-info", input=b"".join(lines))
            self._run("update-index", "-q", "--refresh", ok=(0, 1))

    def _in_the_way(self, paths: dict[bytes, tuple[Entry | None, Entry | None]]) -> list[bytes]:
        """What lies where new files come and git does not track, ignored or not."""
        index = self._index()
        gone = {path for path, (_, new) in paths.items() if new is None}
        found: dict[bytes, None] = {}
        for path, (old, new) in paths.items():
            if new is None or (old is not None and path in index) or index.get(path) == new:
                continue
            for place in (*_folders_of(path), path):
                facts = _facts(self._checkout.root / os.fsdecode(place))
                if facts is None:
                    break
                if stat.S_ISDIR(facts.st_mode):
                    inner = walk(self._checkout.root / os.fsdecode(place)) if place == path else ()
                    names = (path + b"/" + os.fsencode(name) for name, of in inner if not stat.S_ISDIR(of.st_mode))
                    found |= dict.fromkeys(name for name in names if name not in gone)
                elif place not in gone:
                    found[place] = None
                    break
        return list(found)

    def _move_index(self, paths: dict[bytes, tuple[Entry | None, Entry | None]]) -> None:
        index, lines = self._index(), []
        for path, (old, new) in paths.items():
            if index.get(path) == old:
                mode, id = (new.mode, new.id) if new is not None else (b"0", self._git.no_id)
                lines.append(b"%s %s\t%s\0" % (mode, id.encode(), path))
        if lines:
            self._run("update-index", "-z", "--index-info", input=b"".join(lines))

    def _dirty(self, paths: list[bytes]) -> list[bytes]:
        said = self._run("diff-files", "--name-only", "-z").split(b"\0")
        said += self._run("ls-files", "-z", "--others").split(b"\0")
        return [path for path in paths if path in set(said)]


def _folders_of(path: bytes) -> list[bytes]:
    """The folders above a path, the outermost first."""
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def _facts(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _shown(path: bytes) -> str:
    name = os.fsdecode(path)
    return name if name.isprintable() else repr(name)


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
