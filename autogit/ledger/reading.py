"""What can be asked of a lab: records, logs, curves, files, and changes as diffs. Nothing here writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from autogit.errors import UnknownTrialError
from autogit.ledger import attachments, ideas, message
from autogit.ledger.git import commits, lfs, notes
from autogit.ledger.git.apply import Merger
from autogit.ledger.git.objects import EXECUTABLE, FILE, Object, lookup, walk
from autogit.ledger.ids import ID
from autogit.ledger.order import ordered
from autogit.ledger.repository import Repository
from autogit.ledger.trial_refs import BRANCHES, TAGS
from autogit.records import Curve, Idea, Record


class Reading:
    """The reading half of `protocols.Ledger`."""

    root: Path
    """The top of the person's checkout."""

    def __init__(self, repository: Repository, editable: Callable[[str], bool]) -> None:
        """`editable` tells which paths a proposal may change."""
        self._repository = repository
        self._editable = editable
        self._merger = Merger(repository.git, repository.store)

    def main(self) -> str:
        """The commit at the tip of `main`. Raises WorkspaceError where the branch is gone."""
        return self._repository.tip()

    def records(self) -> Sequence[Record]:
        """Every closed trial, oldest first."""
        return ordered(self._repository.notes.records())

    def line(self) -> Iterator[str]:
        """The commits that `main` went through, from its tip back: of a merge, the side that it came from."""
        commit: str | None = self._repository.tip()
        while commit is not None:
            yield commit
            parents = commits.read(self._repository.store, commit).parents
            commit = parents[0] if parents else None

    def record(self, trial: str) -> Record:
        """One closed trial. Raises UnknownTrialError."""
        commit = self._closed(trial)
        found = next((r for r in self._repository.notes.on(commit) if r.id == trial), None)
        if found is None:
            raise UnknownTrialError(f"trial {trial} has no record: its note on {commit[:10]} is gone")
        return found

    def log(self, trial: str) -> str:
        """The bounded log of a closed trial's runs. Raises UnknownTrialError."""
        return self._repository.notes.part(notes.LOGS, self._closed(trial), trial)

    def curves(self, trial: str) -> tuple[Curve, ...]:
        """The learning curves of a closed trial. Raises UnknownTrialError."""
        return attachments.parse_curves(self._repository.notes.part(notes.CURVES, self._closed(trial), trial))

    def texts(self, shelf: str) -> Mapping[str, str]:
        """Named texts that the lab keeps in `refs/autogit/SHELF` (`config`: by hash)."""
        return self._repository.notes.texts(shelf)

    def ideas(self) -> tuple[Idea, ...]:
        """Every idea that was queued, oldest first, the used ones too."""
        return ideas.parse(self.texts(ideas.SHELF))

    # ---- files

    def files(self, commit: str) -> Mapping[str, str]:
        """The editable text files of a commit: path from the root -> text."""
        store = self._repository.store
        chosen = [
            (path, entry.id)
            for name, entry in walk(store, self._repository.tree(commit))
            if entry.mode in (FILE, EXECUTABLE) and self._editable(path := os.fsdecode(name))
        ]
        bodies = store.find_all([id for _, id in chosen])
        texts = ((path, _text(found)) for (path, _), found in zip(chosen, bodies, strict=True))
        return {path: text for path, text in texts if text is not None}

    def read(self, commit: str, path: str) -> bytes | None:
        """One file of a commit as it is stored; None where there is no such file."""
        store = self._repository.store
        entry = lookup(store, self._repository.tree(commit), os.fsencode(path))
        return store.read(entry.id, "blob") if entry and entry.mode in (FILE, EXECUTABLE) else None

    def ignored(self, commit: str, paths: Iterable[str]) -> list[str]:
        """Those of `paths` that are new to `commit` and that `.gitignore` or `info/exclude` keep out of git."""
        tree, store = self._repository.tree(commit), self._repository.store
        new = [path for path in paths if lookup(store, tree, os.fsencode(path)) is None]
        if not new:
            return []
        where = {"GIT_WORK_TREE": str(self.root)}
        asked = b"".join(os.fsencode(path) + b"\0" for path in new)
        said = self._repository.git.run("check-ignore", "-z", "--stdin", "--no-index", input=asked, variables=where,
                                        cwd=self.root, ok=(0, 1))  # fmt: skip
        return [os.fsdecode(path) for path in said.split(b"\0") if path]

    # ---- changes

    def diff(self, trial: str) -> str:
        """The change of `trial` against its own base, as it was committed."""
        return self._merger.diff(*self._change(trial))

    def difference(self, before: str, after: str) -> str:
        """The diff from one commit to another."""
        return self._merger.diff(self._repository.tree(before), self._repository.tree(after))

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        """The changes of `trials`, cherry-picked in order onto the commit `onto`; None where they conflict."""
        start = tree = self._repository.tree(onto)
        for trial in trials:
            merged = self._merger.apply(self._change(trial), tree)
            if merged is None:
                return None
            tree = merged
        return self._merger.diff(start, tree)

    def revert(self, trial: str, onto: str) -> str | None:
        """The change of `trial` taken back on the commit `onto`, as a diff; None where it conflicts."""
        before, after = self._change(trial)
        start = self._repository.tree(onto)
        tree = self._merger.apply((after, before), start)
        return None if tree is None else self._merger.diff(start, tree)

    # ---- within

    def _closed(self, trial: str) -> str:
        commit = self._repository.refs.get(TAGS + trial) if ID.fullmatch(trial) else None
        if commit is None:
            raise UnknownTrialError(self._why_unknown(trial, "no closed trial"))
        return commit

    def _why_unknown(self, trial: str, words: str) -> str:
        if any(record.id == trial for record in self.records()):
            return f"exp/{trial} was measured in another lab and its tags were left out there: sync that lab with them"
        return f"{words} {trial} in this lab; see: autogit log"

    def _change(self, trial: str) -> tuple[str, str]:
        """The trees before and after a trial, open or closed."""
        refs = self._repository.refs
        commit = (refs.get(TAGS + trial) or refs.get(BRANCHES + trial)) if ID.fullmatch(trial) else None
        if commit is None:
            raise UnknownTrialError(self._why_unknown(trial, "no trial"))
        found = message.trial(self._repository.store, trial, commit)
        return self._repository.tree(found.base), self._repository.tree(commit)


def _text(found: Object | None) -> str | None:
    """The text of a blob; None for what is no text, or only points to a large file."""
    if found is None or b"\0" in found.body or lfs.pointer(found.body):
        return None
    try:
        return found.body.decode()
    except UnicodeDecodeError:
        return None
