"""Two labs and one plain git remote: everything goes both ways, nothing is overwritten, nobody forces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from autogit.errors import WorkspaceError
from autogit.ledger import attachments, note
from autogit.ledger.annotations import CONFIG
from autogit.ledger.archive import ARCHIVE, Archive, archived
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import edit, walk
from autogit.ledger.git.program import Git, GitFailedError
from autogit.ledger.git.refs import Journal, Move
from autogit.ledger.line import NEXT
from autogit.ledger.repository import Repository
from autogit.ledger.trial_refs import BRANCHES, DEAD, TAGS, Numbers, ending
from autogit.records import Record, Verdict

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


SHELVES = "refs/autogit/"


_JOINS = {notes.RECORDS: note.join, notes.LOGS: attachments.join, notes.CURVES: attachments.join_curves}


class Join(Protocol):
    """Makes one tree of two that were `base` once."""

    def __call__(self, ours: str, theirs: str, base: str | None) -> str | None: ...


class Merge:
    """What has to move here for the refs of the other side, whose objects are already fetched."""

    def __init__(self, repository: Repository, numbers: Numbers, there: Mapping[str, str], trials: bool) -> None:
        """`trials`: whether tags of trials are taken too."""
        self._repository = repository
        self._numbers = numbers
        self._there = there
        self._trials = trials
        self.beaten: list[Record] = []
        """Our accepted trials that the other side's `main` came before, after `make`."""

    def make(self) -> list[str]:
        """Merges; what the person has to know. Raises WorkspaceError, before anything moved, where they have to."""
        journal = _journal(self._repository)
        with self._repository.lock:
            journal.note({"there": dict(self._there), "trials": self._trials})
            try:
                words = self._repository.write(self._moves)
            except WorkspaceError:
                journal.clear()
                raise
            journal.clear()
            return words

    def _moves(self) -> list[Move]:
        main, self.beaten = self._main()
        # In steps: each builds on the notes as the one before has left them.
        self._repository.refs.move([*map(self._notes, notes.ALL), *self._shelves(), *self._archives()])
        for record in self.beaten:
            self._repository.refs.move(self._superseded(record))
        for ref, commit in self._repository.refs.list(BRANCHES).items():
            self._repository.refs.move(self._still_open(ref.removeprefix(BRANCHES), commit))
        return [*self._tags(), *main]

    def _notes(self, ref: str) -> Move:
        join = _JOINS[ref]
        words = "Merge the notes of another lab"
        return self._joined(ref, words, lambda ours, theirs, base: notes.merge(
            self._repository.store, ours, theirs, base, join))  # fmt: skip

    def _shelves(self) -> list[Move]:
        refs = [ref for ref in self._there if ref.startswith(SHELVES) and not ref.startswith(ARCHIVE)]
        return [self._joined(ref, "Merge another lab's texts", partial(self._texts, ref)) for ref in refs]

    def _texts(self, ref: str, ours: str, theirs: str, base: str | None) -> str | None:
        """What a lab has put on a shelf, or taken down, since the other heard of it."""
        store, shelf = self._repository.store, ref.removeprefix(SHELVES)
        before, mine, other = (dict(walk(store, tree)) if tree else {} for tree in (base, ours, theirs))
        strange = [
            name for name, entry in other.items() if not self._repository.notes.is_genuine_text(shelf, name, entry)
        ]
        other |= {name: before[name] for name in strange if name in before}
        for name in strange:
            if name not in before:
                del other[name]
        names = before.keys() | mine.keys() | other.keys()
        return edit(store, None, {n: other.get(n) if mine.get(n) == before.get(n) else mine.get(n) for n in names})

    def _archives(self) -> list[Move]:
        """What others have put away. Nobody but its owner ever changes or removes that."""
        refs = [ref for ref in self._there if ref.startswith(ARCHIVE) and not self._is_own(archived(ref))]
        present = self._repository.refs.list(ARCHIVE)
        return [Move(ref, None, self._there[ref]) for ref in refs if ref not in present]

    def _is_own(self, id: str) -> bool:
        return self._numbers.named and self._numbers.own(id)

    def _main(self) -> tuple[list[Move], list[Record]]:
        repository, branch = self._repository, self._repository.branch
        ours, theirs = repository.tip(), self._there.get(branch)
        if theirs is None or self._contains(ours, theirs):
            return [], []
        if reason := repository.following.blocked():
            raise WorkspaceError(f"{reason}, and it has to move: finish that, then sync again")
        if self._contains(theirs, ours):
            return [Move(branch, ours, theirs)], []
        own = repository.git.run("rev-list", "--reverse", "--no-merges", f"{theirs}..{ours}").decode().split()
        beaten = []
        for commit in own:
            records = [r for r in repository.notes.on(commit) if not r.trial.is_baseline]
            if not records:
                raise WorkspaceError(
                    f"{branch} moved on both sides, here by a commit of your own ({commit[:10]}); "
                    f"merge it yourself, then sync again: git merge {theirs[:10]}"
                )
            beaten += [r for r in records if r.accepted]
        # A merge that comes from their side and keeps its files: a fast-forward for both. Its number is measured here.
        merged = self._commit(repository.tree(theirs), theirs, ours, "Take up the main of another lab")
        return [Move(branch, ours, merged)], beaten

    def _superseded(self, record: Record) -> list[Move]:
        reason = f"beat an older main ({record.reason}); main moved on another machine"
        record = replace(record, verdict=Verdict.SUPERSEDED, reason=reason, closed=_now())
        withdrawn = self._repository.notes.set_record(record.trial.commit, record.id, record)
        return [withdrawn, *(move for move in ending(self._repository, record) if move.ref == DEAD + record.id)]

    def _still_open(self, id: str, commit: str) -> list[Move]:
        """A trial that was opened again here, after the other side had heard of its verdict."""
        annotated = self._repository.notes
        closed = any(record.id == id for record in annotated.on(commit))
        return [annotated.set_record(commit, id, None)] if closed else []

    def _tags(self) -> list[Move]:
        """Tags of closed trials. A dead one's epitaph stays as it is here; one that lives after all loses it."""
        if not self._trials:
            return []
        refs, there = self._repository.refs, self._there
        here, records = refs.list(TAGS, DEAD), self._repository.notes.records()
        moves = []
        for record in records:
            tag, dead = TAGS + record.id, DEAD + record.id
            moves.append(Move(tag, here.get(tag), here.get(tag) or there.get(tag)))
            epitaph = (here.get(dead) or there.get(dead)) if record.verdict.dead else None
            moves.append(Move(dead, here.get(dead), epitaph))
        return moves

    def _joined(self, ref: str, words: str, join: Join) -> Move:
        ours, theirs = self._repository.refs.get(ref), self._there.get(ref)
        if theirs is None or (ours is not None and self._contains(ours, theirs)):
            return Move(ref, ours, ours)
        if ours is None:
            if not self._spoils(ref, theirs):
                return Move(ref, None, theirs)
            store = self._repository.store
            tree = join(store.add_tree({}), self._repository.tree(theirs), None)
            return Move(ref, None, commits.add(store, tree or store.add_tree({}), [theirs], f"{words}\n"))
        if self._contains(theirs, ours) and not self._spoils(ref, theirs):
            return Move(ref, ours, theirs)
        common = self._repository.git.run("merge-base", ours, theirs, ok=(0, 1)).decode().strip()
        base = self._repository.tree(common) if common else None
        tree = join(self._repository.tree(ours), self._repository.tree(theirs), base)
        return Move(ref, ours, self._commit(tree, ours, theirs, words))

    def _spoils(self, ref: str, theirs: str) -> bool:
        """Whether what they have there holds something that must not be taken as it is."""
        annotated = self._repository.notes
        if ref == notes.RECORDS:
            return bool(annotated.bad(theirs))
        return ref.startswith(SHELVES) and not annotated.is_genuine(ref.removeprefix(SHELVES), theirs)

    def _commit(self, tree: str | None, ours: str, theirs: str, words: str) -> str:
        store = self._repository.store
        return commits.add(store, tree or store.add_tree({}), [ours, theirs], f"{words}\n")

    def _contains(self, commit: str, ancestor: str) -> bool:
        try:
            self._repository.git.run("merge-base", "--is-ancestor", ancestor, commit)
        except GitFailedError:
            return False
        return True


def finish_merge(repository: Repository, numbers: Numbers) -> None:
    """Finishes the merge that a killed process has begun: what it needs is here."""
    journal = _journal(repository)
    if journal.read():
        with repository.lock:
            # Where `main` went another way since, the next sync says so.
            with suppress(WorkspaceError):
                Merge(repository, numbers, **(journal.read() or {"there": {}, "trials": False})).make()
            journal.clear()


def _journal(repository: Repository) -> Journal:
    return Journal(repository.private / "merge.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


MAX_WORDS = 20
"""Bad records that are named to the person."""
_ATTEMPTS = 50
"""How often the remote may move between fetching and sending; each time another lab got on."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync has done."""

    again: tuple[str, ...]
    """Our accepted trials that the other side's `main` came before: superseded now, to be tried again on it."""
    words: tuple[str, ...]
    """What the person has to know about their files."""
    received: int = 0
    """Records that were not here before."""

    def having_received(self, count: int) -> Synced:
        """The same, of which `count` records are new here."""
        return replace(self, received=count)


class Sync:
    """Of one lab with one remote."""

    def __init__(self, repository: Repository, numbers: Numbers, root: Path, remote: str, trials: bool) -> None:
        """`root`: where the person's settings hold; `trials`: whether tags of trials go both ways too."""
        self._repository = repository
        self._numbers = numbers
        self._remote = Remote(repository.git, root, remote)
        self._trials = trials
        self._wanted = [repository.branch, "refs/notes/commits", "refs/notes/autogit/", SHELVES, TAGS, DEAD]

    def run(self) -> Synced:
        """Fetches, merges, sends; again where another lab sent meanwhile. Raises WorkspaceError."""
        again: dict[str, None] = {}
        words: list[str] = []
        for attempt in range(_ATTEMPTS):
            there = self._fetch()
            self._check(there)
            words += self._strange(there)
            merge = Merge(self._repository, self._numbers, there, self._trials)
            words += merge.make()
            again |= dict.fromkeys(record.id for record in merge.beaten)
            try:
                self._send(there)
                break
            except PushRefusedError:
                if attempt == _ATTEMPTS - 1:
                    raise
        self._remote.remember()
        return Synced(tuple(again), tuple(words))

    def _fetch(self) -> dict[str, str]:
        there = self._remote.refs(*self._wanted)
        there.pop(NEXT, None)
        wanted = [ref for ref in there if self._trials or not ref.startswith((TAGS, DEAD))]
        present = self._repository.store.find_all([there[ref] for ref in wanted])
        self._remote.fetch(ref for ref, found in zip(wanted, present, strict=True) if found is None)
        self._repository.trace("objects fetched")
        return there

    def _strange(self, there: Mapping[str, str]) -> list[str]:
        """Names what the remote has and is not taken up."""
        annotated, name = self._repository.notes, self._remote.name
        words = [f"{name}: {word}" for word in (annotated.bad(there[notes.RECORDS]) if notes.RECORDS in there else [])]
        config = there.get(f"{SHELVES}{CONFIG}")
        if config and not annotated.is_genuine(CONFIG, config):
            words.append(f"{name}: a configuration that stands under the hash of another text is left out")
        return words[:MAX_WORDS]

    def _check(self, there: Mapping[str, str]) -> None:
        """Raises WorkspaceError where the remote's trials are others than ours of the same numbers."""
        name, annotated = self._remote.name, self._repository.notes
        theirs = there.get(notes.RECORDS)
        if theirs is None:
            return
        stamps = {(record.id, record.closed) for record in annotated.records(theirs)}
        for lab in Archive(self._repository).labs():
            stored = self._repository.refs.get(f"{ARCHIVE}{lab}/{notes.RECORDS.removeprefix('refs/')}")
            if stored and any((r.id, r.closed) in stamps for r in annotated.records(stored)):
                raise WorkspaceError(
                    f"{name} still holds the lab that was put away as {lab}; return to that one "
                    f"(autogit reset --back --number {lab}), or sync the present one with another remote"
                )
        here = self._repository.refs.list(TAGS)
        ours = self._repository.refs.get(notes.RECORDS)
        strange = ours is not None and not self._related(ours, theirs)
        ids = {id for id, _ in stamps}
        if any(there.get(ref, id) != id for ref, id in here.items()) or (
            strange and any(record.id in ids for record in annotated.records())
        ):
            raise WorkspaceError(
                f"{name} holds other trials under the numbers of this lab: both have no name of their own. "
                "Sync this lab with another remote, or clone that one and work there"
            )

    def _related(self, ours: str, theirs: str) -> bool:
        return bool(self._repository.git.run("merge-base", ours, theirs, ok=(0, 1)))

    def _send(self, there: Mapping[str, str]) -> None:
        refs = self._repository.refs.list(self._repository.branch, "refs/notes/", SHELVES, TAGS, DEAD)
        refs.pop(NEXT, None)
        specs = [ref for ref in (self._repository.branch, *notes.ALL) if there.get(ref) != refs.get(ref)]
        specs += [ref for ref in refs if ref.startswith(SHELVES) and self._sends(ref, refs[ref], there)]
        specs = [f"{ref}:{ref}" for ref in specs]
        if self._trials:
            specs += self._tags({r: id for r, id in refs.items() if r.startswith((TAGS, DEAD))}, there)
        if specs:
            self._remote.push(specs)
        self._repository.trace("sent")

    def _sends(self, ref: str, id: str, there: Mapping[str, str]) -> bool:
        # What was put away never changes: it is there, or it is not.
        return ref not in there if ref.startswith(ARCHIVE) else there.get(ref) != id

    def _tags(self, here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
        """Those that the remote lacks: by pattern where that means the same, as there can be very many."""
        specs = []
        for kind in (TAGS, DEAD):
            of_kind = {ref: id for ref, id in here.items() if ref.startswith(kind)}
            lacking = [ref for ref in of_kind if ref not in there]
            clash = any(there.get(ref, id) != id for ref, id in of_kind.items())
            specs += [f"{ref}:{ref}" for ref in lacking] if clash else [f"{kind}*:{kind}*"] if lacking else []
        return specs
