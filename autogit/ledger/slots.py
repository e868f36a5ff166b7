"""Checkouts for training: clean, detached, without a `.git`, one folder for each slot."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from autogit.errors import CheckoutError, WorkspaceError
from autogit.files import remove_tree
from autogit.ledger.git import commits, lfs
from autogit.ledger.git.objects import ObjectStore, walk
from autogit.ledger.git.program import Git, GitFailedError

CLONED = "autogit-clone"
"""The branch of a new clone, which nobody else's is called."""
SCRATCH = "scratch"
"""The folder in a clone that is nobody's but its user's."""
_THIS_MACHINE = ("No space left", "Disk quota", "Read-only file system", "Input/output error", "Permission denied")
"""What git says if it is the machine that cannot take a checkout, and not the commit."""


class Slots:
    """The slots of one lab, below one folder. A slot is used by one thread at a time."""

    def __init__(self, git: Git, store: ObjectStore, folder: Path) -> None:
        self._git = git
        self._store = store
        self._folder = folder

    def checkout(self, commit: str, slot: int) -> Path:
        """A folder with exactly the files of `commit`. Raises WorkspaceError where they cannot be written."""
        folder = self._folder / str(slot)
        index = folder.with_name(f"{folder.name}.index")
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
        # What is not in the commit goes before git looks: it would stop at a repository or a folder in a file's place.
        tree = commits.read(self._store, commit).tree
        _tame(folder, frozenset(os.fsdecode(path) for path, _ in walk(self._store, tree)))
        folder.mkdir(parents=True, exist_ok=True)
        where = {"GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index)}
        try:
            self._git.run("read-tree", "--reset", "-u", commit, variables=where, cwd=folder)
        except GitFailedError:
            # What is left there defeats git: begin with nothing, which costs only time.
            empty(folder)
            index.unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._git.run("read-tree", "--reset", "-u", commit, variables=where, cwd=folder)
            except GitFailedError as error:
                if any(word in error.stderr for word in _THIS_MACHINE):
                    raise
                last = error.stderr.strip().splitlines()[-1:] or ["no message"]
                raise CheckoutError(f"{commit[:10]} cannot be checked out: {last[0][:200]}") from None
        lfs.materialise(self._git, folder, where)
        return folder

    def clone(self, commit: str, folder: Path, data: Mapping[Path, Path]) -> Path:
        """A repository of its own in `folder`, with the lab's tags and notes, and the files of `commit`.

        `data`: where a path of the checkout really is, for what git ignores. A repository that does not work any more
        is made anew.
        """
        try:
            self._bring(commit, folder)
        except GitFailedError:
            empty(folder)
            self._bring(commit, folder)
        for place, source in data.items():
            link = folder / place
            if source.exists() and not link.exists() and not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)
        return folder

    def _bring(self, commit: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        own = {"GIT_DIR": str(folder / ".git"), "GIT_WORK_TREE": str(folder)}
        if not (folder / ".git").is_dir():
            self._git.run("init", "-q", "-b", CLONED, variables=own, cwd=folder)
        (folder / ".git" / "index.lock").unlink(missing_ok=True)
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")
        source = str(self._git.directory)
        # Detached first: git does not fetch into the branch that is checked out.
        self._git.run("fetch", "-q", "--no-write-fetch-head", source, commit, *refs, variables=own, cwd=folder)
        self._git.run("checkout", "-q", "--force", "--detach", commit, variables=own, cwd=folder)
        self._git.run("clean", "-q", "-ffd", "-e", f"/{SCRATCH}/", variables=own, cwd=folder)
        lfs.materialise(self._git, folder, own)


def empty(folder: Path) -> None:
    """Removes a folder with all that is in it, whatever its permissions, depth and names. Leftovers end nothing.

    Raises WorkspaceError if even moving it out of the way does not work.
    """
    if not remove_tree(folder):
        try:
            folder.rename(tempfile.mkdtemp(dir=folder.parent, prefix="left-") + "/left")
        except OSError as error:
            raise WorkspaceError(f"{folder} cannot be emptied: {error.strerror}; remove it yourself") from None


def _tame(folder: Path, keep: frozenset[str]) -> None:
    """Takes away all files but those, and what training can have left to stop git.

    That is: folders that nobody may enter, links and pipes in place of folders, whole repositories. Only folders of
    the commit are gone into, so that nothing that training has made sets how deep.
    """
    try:
        facts = os.lstat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(facts.st_mode):
        folder.unlink()
        return
    folders = {str(parent) for path in keep for parent in PurePosixPath(path).parents}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        place = os.path.join(folder, prefix)  # noqa: PTH118
        os.chmod(place, 0o755)  # noqa: PTH101
        with os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    if name not in keep:
                        os.unlink(entry.path)  # noqa: PTH108
                elif name in folders:
                    waiting.append(f"{name}/")
                elif not remove_tree(Path(entry.path)):
                    empty(folder)
                    return
