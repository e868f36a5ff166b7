"""Two labs and one plain git remote: everything goes both ways, nothing is overwritten, nobody forces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger import attachments, commits, note, notes
from autogit.ledger.annotations import Annotations
from autogit.ledger.ending import DEAD, ending
from autogit.ledger.objects import ObjectStore
from autogit.ledger.paths import edit, walk
from autogit.ledger.program import Git, GitFailedError
from autogit.ledger.refs import Move, Refs
from autogit.records import Record, Verdict

FETCHED = "refs/autogit-remotes/"
"""Where the other side's refs are kept, below the remote's name, until they are merged."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync has done."""

    received: int
    """Records that were not here before."""
    again: tuple[str, ...]
    """Our accepted trials that the other side's `main` came before: superseded now, to be tried again on it."""
    words: tuple[str, ...]
    """What the person has to know about their files."""


class PushRefusedError(WorkspaceError):
    """The remote moved between fetching and sending; fetch again."""


class Remote:
    """One remote of the workspace, by its name or its URL."""

    def __init__(self, git: Git, root: Path, name: str, main: str) -> None:
        self._git = git
        self._root = root
        self._name = name
        self._main = main
        self._known = name in self._person("remote").decode().split("\n")
        self._space = FETCHED + (name if self._known else re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-"))

    def fetched(self, ref: str) -> str:
        """The local name of a ref of the other side."""
        return f"{self._space}/{ref.removeprefix('refs/')}"

    def fetch(self, trials: bool) -> None:
        """Fetches `main`, notes, shelves and (where `trials`) tags. Raises WorkspaceError."""
        there = self._person("ls-remote", self._name, self._main).decode()
        specs = [f"+{ref}:{self.fetched(ref)}" for ref in ("refs/notes/*", "refs/autogit/*")]
        if self._known:
            self._remember(specs)
        specs += [f"+{self._main}:{self.fetched(self._main)}"] if there else []
        specs += ["refs/tags/exp/*:refs/tags/exp/*", "refs/tags/dead/*:refs/tags/dead/*"] if trials else []
        # All or nothing: another lab's trials must not come in beside the ones whose numbers are taken here.
        options = ("--atomic", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-auto-maintenance",
                   "--no-recurse-submodules")  # fmt: skip
        try:
            self._person("fetch", *options, self._name, *specs)
        except GitFailedError as error:
            if "clobber" in error.stderr or "rejected" in error.stderr:
                raise WorkspaceError(
                    f"{self._name} holds other trials under the numbers of this lab: both have no name of their own. "
                    "Sync this lab with another remote, or clone that one and work there"
                ) from None
            raise

    def push(self, refs: Sequence[str], trials: bool) -> None:
        """Sends refs, fast-forwards only, all or none. Raises PushRefusedError, WorkspaceError."""
        specs = [f"{ref}:{ref}" for ref in refs]
        specs += ["refs/tags/exp/*:refs/tags/exp/*", "refs/tags/dead/*:refs/tags/dead/*"] if trials else []
        try:
            self._person("push", "--atomic", "--no-signed", "--recurse-submodules=no", self._name, *specs)
        except GitFailedError as error:
            if any(word in error.stderr for word in ("fetch first", "non-fast-forward", "cannot lock", "stale info")):
                raise PushRefusedError(f"{self._name} moved meanwhile: {error.stderr.strip()}") from None
            raise

    def _remember(self, specs: list[str]) -> None:
        """From now on a plain `git fetch` brings the notes too, beside ours and never over them."""
        key = f"remote.{self._name}.fetch"
        present = self._git.run("config", "--local", "--get-all", key, ok=(0, 1)).decode().split("\n")
        for spec in specs:
            if spec not in present:
                self._git.run("config", "--local", "--add", key, spec)

    def _person(self, *arguments: str) -> bytes:
        return self._git.as_person(*arguments, cwd=self._root)


class Merge:
    """Takes what was fetched into the lab. Prepares moves; the caller makes them under the write lock."""

    def __init__(self, git: Git, store: ObjectStore, refs: Refs, annotations: Annotations, main: str) -> None:
        self._git = git
        self._store = store
        self._refs = refs
        self._notes = annotations
        self._main = main

    def moves(self, remote: Remote) -> tuple[list[Move], list[str]]:
        """What has to move, and which of our accepted trials have to be tried again. Raises WorkspaceError."""
        due = [self._merge_notes(ref, remote.fetched(ref)) for ref in notes.ALL]
        due += [self._merge_shelf(ref, their) for their, ref in self._shelves(remote)]
        main, beaten = self._merge_main(remote.fetched(self._main))
        return [*due, *main], [record.id for record in beaten]

    def supersede(self, trials: Sequence[str], annotated: dict[str, Record]) -> list[Move]:
        """The moves that withdraw the acceptance of trials whose change is no longer in `main`."""
        moves = []
        for id in trials:
            record = annotated[id]
            reason = f"beat an older main ({record.reason}); main moved on another machine"
            closed = datetime.now(UTC).isoformat(timespec="milliseconds")
            record = replace(record, verdict=Verdict.SUPERSEDED, reason=reason, closed=closed)
            moves.append(self._notes.set_record(record.trial.commit, id, record))
            moves += [m for m in ending(self._store, self._refs, record, self._main, lambda: "") if m.ref == DEAD + id]
        return moves

    def _merge_notes(self, ref: str, their: str) -> Move:
        ours, theirs = self._refs.get(ref), self._refs.get(their)
        if theirs is None or ours is None or self._contains(ours, theirs):
            return Move(ref, ours, ours or theirs)
        if self._contains(theirs, ours):
            return Move(ref, ours, theirs)
        join = note.join if ref == notes.RECORDS else attachments.join
        tree = notes.merge(self._store, self._tree(ours), self._tree(theirs), join)
        return Move(ref, ours, self._merged(tree, ours, theirs, "Merge the notes of another lab"))

    def _merge_shelf(self, ref: str, their: str) -> Move:
        ours, theirs = self._refs.get(ref), self._refs.get(their)
        if theirs is None or ours is None or self._contains(ours, theirs):
            return Move(ref, ours, ours or theirs)
        if self._contains(theirs, ours):
            return Move(ref, ours, theirs)
        texts = {**dict(walk(self._store, self._tree(theirs))), **dict(walk(self._store, self._tree(ours)))}
        return Move(ref, ours, self._merged(edit(self._store, None, texts), ours, theirs, "Merge another lab's texts"))

    def _merge_main(self, their: str) -> tuple[list[Move], list[Record]]:
        ours, theirs = self._refs.get(self._main), self._refs.get(their)
        assert ours is not None
        if theirs is None or self._contains(ours, theirs):
            return [], []
        if self._contains(theirs, ours):
            return [Move(self._main, ours, theirs)], []
        own = self._git.run("rev-list", "--reverse", "--no-merges", f"{theirs}..{ours}").decode().split()
        beaten = []
        for commit in own:
            records = [r for r in self._notes.on(commit) if not r.trial.is_baseline]
            if not records:
                raise WorkspaceError(
                    f"{self._main} moved on both sides, here by a commit of your own ({commit[:10]}); "
                    f"merge it yourself, then sync again: git merge {theirs[:10]}"
                )
            beaten += [r for r in records if r.accepted]
        # A merge that keeps their files: a fast-forward for both sides, and a number for it is measured here.
        tree = self._tree(theirs)
        merged = self._merged(tree, ours, theirs, "Take up the main of another lab")
        return [Move(self._main, ours, merged)], beaten

    def _merged(self, tree: str | None, ours: str, theirs: str, words: str) -> str:
        return commits.add(self._store, tree or self._store.add_tree({}), [ours, theirs], f"{words}\n")

    def _contains(self, commit: str, ancestor: str) -> bool:
        try:
            self._git.run("merge-base", "--is-ancestor", ancestor, commit)
        except GitFailedError:
            return False
        return True

    def _tree(self, commit: str) -> str:
        return commits.read(self._store, commit).tree

    def _shelves(self, remote: Remote) -> list[tuple[str, str]]:
        prefix = remote.fetched("refs/autogit/")
        return [(ref, f"refs/autogit/{ref.removeprefix(prefix)}") for ref in self._refs.list(prefix)]
