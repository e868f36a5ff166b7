"""The ledger: trials as commits, branches, tags and notes of one repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autogit.config.load import ConfigFile
from autogit.errors import WorkspaceError
from autogit.ledger import finalize, ideas, message
from autogit.ledger.archive import Archive
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import MODULE, walk
from autogit.ledger.git.refs import Move, lab_lock, lock_owner, unnoticed
from autogit.ledger.recovery import Recovery
from autogit.ledger.repository import Repository
from autogit.ledger.slots import Slots
from autogit.ledger.sync import Remote, Sync, Synced
from autogit.ledger.trial_refs import TAGS
from autogit.ledger.trials import Trials
from autogit.ledger.workspace import open_workspace
from autogit.records import Idea

GUIDE = "program.md"
"""Where a person says what is wanted."""


class GitLedger(Trials):
    """Implements `protocols.Ledger` on the workspace that a configuration names, and holds the lab as a whole.

    Opening finishes what a killed process has left. Raises WorkspaceError with what to do. All methods can be called
    from several threads and from several processes at once.
    """

    def __init__(
        self, file: ConfigFile, editable: Callable[[str], bool], trace: Callable[[str], None] = unnoticed
    ) -> None:
        """`editable` tells which paths a proposal may change; `trace` hears the name of each step of a write."""
        workspace = open_workspace(file)
        super().__init__(Repository.of(workspace.git, workspace.main, trace), file, editable)
        self.root = workspace.root
        self.prefix = workspace.prefix
        """Where training starts, relative to a checkout's top."""
        self.made = workspace.made
        """Whether the folder became a repository just now."""
        repository = self._repository
        self._data = {Path(self.prefix) / path: self.root / self.prefix / path for path in file.config.train.data}
        self._slots = Slots(repository.git, repository.store, self.private / "slots")
        self._recovery = Recovery(repository, self._numbers)
        self._recovery.run()

    @property
    def private(self) -> Path:
        """The lab's folder outside git: checkouts, kept output, locks."""
        return self._repository.private

    @property
    def lab(self) -> str:
        """The name of this clone among several; empty where it has none."""
        return self._numbers.lab

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a loop runs. Raises LabBusyError where another one does."""
        with lab_lock(self.private / "lab.lock"):
            self._recovery.close_refused()
            yield

    def running(self) -> int | None:
        """The process that runs a loop on this lab; None where none does."""
        return lock_owner(self.private / "lab.lock")

    def version(self) -> str:
        """Returns a word that changes with every closed trial and with everything that happens to `main`."""
        refs = self._repository.refs
        return f"{self.main()} {refs.get(notes.RECORDS)}"

    def close_processes(self) -> None:
        """Ends the git process that reads objects; the next reading starts another."""
        self._repository.store.close()

    def unsynced(self) -> str:
        """Returns what to do if this is a clone of a lab whose records stayed behind; empty if it is not."""
        repository = self._repository
        if repository.refs.get(notes.RECORDS) is not None:
            return ""
        tags = repository.refs.list(TAGS)
        tip = commits.read(repository.store, self.main()).message
        remotes = repository.git.run("remote").decode().split()
        if not remotes or not (tags or "Autogit-Trial" in message.trailers(tip)):
            return ""
        what = f"the code of {len(tags)} trials" if tags else "trials on its main branch"
        remote = "origin" if "origin" in remotes else remotes[0]
        return f"this clone has {what} and no records of them; fetch those with: autogit sync {remote}"

    # ---- folders

    def checkout(self, commit: str, slot: int) -> Path:
        """A clean detached checkout of `commit`, in a folder that belongs to `slot` (from 0) alone."""
        return self._slots.checkout(commit, slot)

    def paths(self, commit: str) -> list[str]:
        """Returns every path in a commit, from the repository's root; a submodule is one."""
        repository = self._repository
        return [os.fsdecode(path) for path, _ in walk(repository.store, repository.tree(commit))]

    def submodules(self, commit: str) -> list[str]:
        """Returns the paths of a commit's submodules; a checkout has an empty folder for each."""
        repository = self._repository
        entries = walk(repository.store, repository.tree(commit))
        return [os.fsdecode(path) for path, entry in entries if entry.mode == MODULE]

    def clone(self, commit: str) -> Path:
        """A clone of the lab, with its history, tags and notes, that has `commit` checked out; always the same folder.

        What git ignores, and `scratch/`, is left there as it was. No remote: nothing comes back from it by itself.
        """
        return self._slots.clone(commit, self.private / "agent" / self.root.name, self._data)

    # ---- what a person says

    def guide(self) -> str:
        """`program.md` in the workspace folder as it is now, committed or not; empty where there is none."""
        try:
            return (self.root / self.prefix / GUIDE).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return ""

    def set_guide(self, text: str) -> None:
        """Writes `program.md` in the workspace folder, whole or not at all. Raises WorkspaceError if it cannot."""
        path = self.root / self.prefix / GUIDE
        new = path.with_name(f".{GUIDE}.new")
        try:
            if path.is_symlink():
                raise WorkspaceError(f"{path} is a link to {path.readlink()}: edit that file")
            new.write_text(text, encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from None

    def add_idea(self, text: str) -> Idea:
        """Queues an idea."""
        idea = ideas.new(text)
        self.keep_text(ideas.SHELF, idea.id, ideas.format(idea))
        return idea

    def keep_text(self, shelf: str, name: str, text: str | None) -> None:
        """Puts a named text into `refs/autogit/SHELF`, or takes it away (None)."""
        self._repository.write(lambda: [self._repository.notes.set_text(shelf, name, text)])

    # ---- out of the lab

    def finalize(self, branch: str, messages: Mapping[str, str], squash: str | None) -> str:
        """Writes the accepted changes as the clean branch `branch`, and returns its tip.

        `messages`: what each commit says, by the trial's commit; the branch begins before the first of them. `squash`:
        neighbours become one commit whose first line is their count and this. Raises WorkspaceError.
        """
        repository = self._repository
        ref = finalize.check_name(branch, repository.branch)
        repository.git.run("check-ref-format", ref)
        line = list(self.line())
        places = [place for place, commit in enumerate(line) if commit in messages]
        if not places or places[-1] + 1 >= len(line):
            raise WorkspaceError("none of these changes is on main any more")
        chosen = line[places[0] : places[-1] + 1][::-1]
        tip = finalize.rewrite(repository.store, line[places[-1] + 1], finalize.steps(chosen, messages, squash))

        def move() -> list[Move]:
            old = repository.refs.get(ref)
            if old not in (None, tip):
                raise WorkspaceError(f"branch {branch} has other commits already: name another with --branch")
            return [] if old == tip else [Move(ref, None, tip)]

        repository.write(move)
        return tip

    def push(self, remote: str, branch: str) -> None:
        """Sends a branch to a remote, by its name or URL, fast-forwards only. Raises WorkspaceError."""
        ref = f"refs/heads/{branch}"
        Remote(self._repository.git, self.root, remote).push([f"{ref}:{ref}"])

    # ---- the lab as a whole

    def put_away(self) -> str:
        """Moves everything the lab knows below `refs/autogit/archive/N` and starts afresh; N. `main` stays.

        To be called under `lock()`. Raises WorkspaceError where there is nothing to put away.
        """
        number = Archive(self._repository).put_away(self._numbers)
        self._start_again()
        return number

    def bring_back(self, number: str | None = None) -> str:
        """Returns to the lab that was put away as `number`, or as the latest; the present one is put away. The number.

        To be called under `lock()`. Raises WorkspaceError where there is none.
        """
        number = Archive(self._repository).bring_back(number, self._numbers)
        self._start_again()
        return number

    def sync(self, remote: str, trials: bool = True) -> Synced:
        """Sends to and fetches from a git remote (a name or a URL), fast-forwards only; `trials`: their tags too.

        Raises WorkspaceError with git's words where the remote cannot be reached, or where a person has to merge.
        """
        known = {record.id for record in self.records()}
        synced = Sync(self._repository, self._numbers, self.root, remote, trials).run()
        return synced.having_received(len({record.id for record in self.records()} - known))

    def gc(self, keep: int | None = None) -> int:
        """Packs everything. With `keep`, drops the logs and curves of dead trials but the last `keep` first: how many.

        Code and records always stay; a lab that still has the logs brings them back at the next sync.
        """
        dead = [record for record in self.records() if record.verdict.dead]
        old = dead[: max(0, len(dead) - keep)] if keep is not None else []
        if old:
            self._repository.write(lambda: self._housekeeping.forget(old))
        self._housekeeping.pack()
        return len(old)

    def _start_again(self) -> None:
        self._numbers.start_again()
        self._config_kept = False
