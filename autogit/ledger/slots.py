"""Checkouts for training: clean, detached, without a `.git`, one folder for each slot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from autogit.ledger import lfs
from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.git.paths import walk
from autogit.ledger.git.program import Git, GitFailedError

CLONED = "autogit-clone"
"""The branch of a new clone, which nobody else's is called."""
SCRATCH = "scratch"
"""The folder in a clone that is nobody's but its user's."""


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
            folder.mkdir(parents=True)
            self._git.run("read-tree", "--reset", "-u", commit, variables=where, cwd=folder)
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
    """Removes a folder with all that is in it, whatever its permissions say."""
    _tame(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _tame(folder: Path, keep: frozenset[str] | None = None) -> None:
    """Takes away what training can have left to stop git, and with `keep` all files but those.

    That is: folders that nobody may enter, links in place of folders, whole repositories.
    """
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    if not folder.is_dir():
        return
    folders = {os.path.dirname(path) for path in keep or ()}  # noqa: PTH120
    folders |= {str(parent) for path in folders for parent in PurePosixPath(path).parents}
    _tame_inside(str(folder), "", keep, folders)


def _tame_inside(place: str, prefix: str, keep: frozenset[str] | None, folders: set[str]) -> None:
    os.chmod(place, 0o755)  # noqa: PTH101
    with os.scandir(place) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                _tame_inside(entry.path, f"{name}/", keep, folders)
                if keep is not None and name not in folders:
                    os.rmdir(entry.path)  # noqa: PTH106
            elif keep is not None and name not in keep:
                os.unlink(entry.path)  # noqa: PTH108
