"""The ledger: trials as commits, branches, tags and notes of one repository."""

from __future__ import annotations

import os
import platform
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from autogit.configfile import ConfigFile
from autogit.errors import UnknownTrialError, WorkspaceError
from autogit.ledger import attachments, commits, ideas, lfs, message, notes, proposals
from autogit.ledger.annotations import Annotations
from autogit.ledger.archive import Archive
from autogit.ledger.ending import BRANCHES, ID, TAGS, ending
from autogit.ledger.following import Following
from autogit.ledger.housekeeping import Housekeeping
from autogit.ledger.locks import WriteLock, lab_lock, lock_owner
from autogit.ledger.objects import Object, ObjectStore
from autogit.ledger.paths import edit, lookup, walk
from autogit.ledger.recovery import Recovery
from autogit.ledger.refs import Move, RefMovedError, Refs, unnoticed
from autogit.ledger.revisions import Merger
from autogit.ledger.slots import Slots, check_modules
from autogit.ledger.sync import Merge, PushRefusedError, Remote, Synced
from autogit.ledger.tree import EXECUTABLE, FILE, Entry
from autogit.ledger.workspace import open_workspace
from autogit.protocols import Changes
from autogit.records import BASELINE, Curve, Idea, Proposal, Record, Run, Scalar, Trial

LAB_KEY = "autogit.lab"
GUIDE = "program.md"
"""Where a person says what is wanted."""
_TRIES = 50
"""How often a write is made anew because another git moved a ref; each failure means that someone else got on."""


class GitLedger:
    """Implements `protocols.Ledger` on the workspace that a configuration names.

    Opening finishes what a killed process has left. Raises WorkspaceError with what to do. All methods can be called
    from several threads and from several processes at once.
    """

    def __init__(
        self, file: ConfigFile, editable: Callable[[str], bool], trace: Callable[[str], None] = unnoticed
    ) -> None:
        """`editable` tells which paths a proposal may change; `trace` hears the name of each step of a write."""
        workspace = open_workspace(file)
        self.root = workspace.root
        """The top of the person's checkout."""
        self.prefix = workspace.prefix
        """Where training starts, relative to a checkout's top."""
        self.made = workspace.made
        """Whether the folder became a repository just now."""
        self._file = file
        self._editable = editable
        self._main = workspace.main
        self._git = workspace.git
        self._store = ObjectStore(self._git)
        self._lock = WriteLock(self.private / "write.lock")
        self._refs = Refs(self._git, self._store, self._lock, trace)
        self._notes = Annotations(self._store, self._refs)
        self._merger = Merger(self._git, self._store)
        self._slots = Slots(self._git, self._store, self.private / "slots")
        self._following = Following(self._git, self._store, self._main, self._lock)
        self._housekeeping = Housekeeping(self._git, self._store, self._refs)
        self.lab = self._git.run("config", "--local", "--get", LAB_KEY, ok=(0, 1)).decode().strip()
        """The name of this clone among several; empty where it has none."""
        self._next: int | None = None
        self._config_kept = False
        check_modules(self._store, self._tree(self.main()), file.config.train.data)
        self._recovery = Recovery(self._store, self._refs, self._notes, self._following, self._lock, self._main)
        self._recovery.run()

    # ---- the whole

    @property
    def private(self) -> Path:
        """The lab's folder outside git: checkouts, kept output, locks."""
        return self._git.directory / "autogit"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a loop runs. Raises LabBusyError where another one does."""
        with lab_lock(self.private / "lab.lock"):
            self._recovery.close_refused()
            yield

    def running(self) -> int | None:
        """The process that runs a loop on this lab; None where none does."""
        return lock_owner(self.private / "lab.lock")

    def close_processes(self) -> None:
        """Ends the git process that reads objects; the next reading starts another."""
        self._store.close()

    def main(self) -> str:
        """The commit at the tip of `main`. Raises WorkspaceError where the branch is gone."""
        return commits.resolve(self._store, self._main)

    # ---- reading

    def records(self) -> Sequence[Record]:
        """Every closed trial, oldest first."""
        return sorted(self._notes.records(), key=lambda r: (r.closed, r.trial.number, r.id))

    def record(self, trial: str) -> Record:
        """One closed trial. Raises UnknownTrialError."""
        commit = self._closed(trial)
        found = next((r for r in self._notes.on(commit) if r.id == trial), None)
        if found is None:
            raise UnknownTrialError(f"trial {trial} has no record: its note on {commit[:10]} is gone")
        return found

    def unfinished(self) -> Sequence[Trial]:
        """Trials that were open when a loop ended; they run again under their numbers."""
        branches = {ref.removeprefix(BRANCHES): commit for ref, commit in self._refs.list(BRANCHES).items()}
        own = [id for id in branches if ID.fullmatch(id) and self._id(_number(id)) == id]
        return [message.trial(self._store, id, branches[id]) for id in sorted(own, key=_number)]

    def files(self, commit: str) -> Mapping[str, str]:
        """The editable text files of a commit: path from the root -> text."""
        chosen = [
            (path, entry.id)
            for name, entry in walk(self._store, self._tree(commit))
            if entry.mode in (FILE, EXECUTABLE) and self._editable(path := os.fsdecode(name))
        ]
        bodies = self._store.find_all([id for _, id in chosen])
        texts = ((path, _text(found)) for (path, _), found in zip(chosen, bodies, strict=True))
        return {path: text for path, text in texts if text is not None}

    def read(self, commit: str, path: str) -> bytes | None:
        """One file of a commit as it is stored; None where there is no such file."""
        entry = lookup(self._store, self._tree(commit), os.fsencode(path))
        return self._store.read(entry.id, "blob") if entry and entry.mode in (FILE, EXECUTABLE) else None

    def log(self, trial: str) -> str:
        """The bounded log of a closed trial's runs. Raises UnknownTrialError."""
        return self._notes.part(notes.LOGS, self._closed(trial), trial)

    def curves(self, trial: str) -> tuple[Curve, ...]:
        """The learning curves of a closed trial. Raises UnknownTrialError."""
        return attachments.parse_curves(self._notes.part(notes.CURVES, self._closed(trial), trial))

    def texts(self, shelf: str) -> Mapping[str, str]:
        """Named texts that the lab keeps in `refs/autogit/SHELF` (`config`: by hash)."""
        return self._notes.texts(shelf)

    # ---- a trial's life

    def open(self, proposal: Proposal, changes: Changes) -> Trial:
        """Commits `changes` on the proposal's base, claims the next number and makes the branch `exp/N`."""
        with self._lock:
            for id in self._free_ids():
                commit = proposal.base
                if proposal.proposer != BASELINE:
                    commit = self._commit(proposal, changes, id)
                moves = [Move(_branch(id), None, commit)]
                if proposal.refused:
                    raw = attachments.bounded(proposal.raw or proposal.diff)
                    moves.insert(0, self._notes.set_part(notes.LOGS, commit, id, raw))
                try:
                    self._refs.move([*self._keep_config(), *moves, *self._taken_up(proposal)])
                except RefMovedError:
                    continue
                self._next = _number(id) + 1
                self._config_kept = True
                return replace(message.trial(self._store, id, commit), title=message.title(proposal))
        raise WorkspaceError("no number could be claimed: another program keeps changing this repository's refs")

    def stage(self, base: str, changes: Changes) -> None:
        """Writes the files of `changes` on `base` to the disk, so that opening a trial of them is quick."""
        self._changed(base, changes)
        self._store.flush()

    def keep(self, proposal: Proposal) -> None:
        """Keeps a proposal that was paid for until a trial takes it up, in this loop or another."""
        self._name_lab()
        self.keep_text(proposals.SHELF, proposals.name(proposal, self.lab), proposals.format(proposal))

    def kept(self) -> Sequence[Proposal]:
        """The proposals that this lab keeps, and no other that it syncs with."""
        return proposals.parse(self.texts(proposals.SHELF), self.lab)

    def lines(self, trial: Trial) -> int:
        """Lines that the commit of an open trial adds minus those it removes."""
        said = self._git.run("diff-tree", "-r", "--numstat", "--no-renames", trial.base, trial.commit).decode()
        counts = [line.split("\t")[:2] for line in said.splitlines()]
        return sum(int(added) - int(removed) for added, removed in counts if added != "-")

    def discard(self, trial: Trial) -> None:
        """Takes an open trial back: its number is free again, as if it had never been opened."""
        self._refs.move([Move(_branch(trial.id), trial.commit, None)])
        self._next = min(self._next or trial.number, trial.number)

    def checkout(self, commit: str, slot: int) -> Path:
        """A clean detached checkout of `commit`, in a folder that belongs to `slot` (from 0) alone."""
        return self._slots.checkout(commit, slot)

    def export(self, commit: str, folder: Path) -> None:
        """Writes every file of a commit into an empty folder, which knows nothing of git."""
        self._slots.export(commit, folder)

    def close(self, record: Record, log: str, curves: Sequence[Curve]) -> Sequence[str]:
        """Writes the record and ends the branch, all in one transaction; `main` follows an accepted trial.

        Returns words for the person. Raises MainMovedError (nothing was written), UnknownTrialError where the trial is
        not open.
        """
        trial = record.trial
        record = record if record.closed else replace(record, closed=_now())

        def moves() -> list[Move]:
            if self._refs.get(_branch(trial.id)) != trial.commit:
                raise UnknownTrialError(f"trial {trial.id} is not open")
            text = attachments.bounded(log) if log else self._notes.part(notes.LOGS, trial.commit, trial.id)
            written = [
                self._notes.set_part(notes.LOGS, trial.commit, trial.id, text),
                self._notes.set_part(notes.CURVES, trial.commit, trial.id, attachments.format_curves(curves)),
                self._notes.set_record(trial.commit, trial.id, record),
            ]
            return written + ending(self._store, self._refs, record, self._main, self._following.blocked)

        words = self._write(moves)
        if self._housekeeping.due:
            with self._lock:
                self._housekeeping.pack()
        return words

    def extend(self, trial: str, runs: Sequence[Run], curves: Sequence[Curve]) -> Record:
        """Adds later runs of a closed trial to its record (the incumbent on further seeds)."""
        extended: list[Record] = []

        def moves() -> list[Move]:
            record = self.record(trial)
            commit = record.trial.commit
            together = (*record.runs, *runs)
            # Its metrics stay those of the verdict: they come from runs that did not choose it.
            record = replace(record, runs=together)
            extended[:] = [record]
            text = attachments.format_curves([*self.curves(trial), *curves])
            return [
                self._notes.set_part(notes.CURVES, commit, trial, text),
                self._notes.set_record(commit, trial, record),
            ]

        self._write(moves)
        return extended[0]

    def note_check(self, trial: str, check: Mapping[str, Scalar]) -> Record:
        """Adds what a later re-measurement found to a closed trial's record."""

        def moves() -> list[Move]:
            record = self.record(trial)
            record = replace(record, checks=(*record.checks, dict(check)))
            return [self._notes.set_record(record.trial.commit, trial, record)]

        self._write(moves)
        return self.record(trial)

    def reopen(self, trials: Sequence[str]) -> None:
        """Withdraws the verdicts of closed dead trials; they are unfinished again, under their numbers."""
        for trial in trials:

            def moves(trial: str = trial) -> list[Move]:
                record = self.record(trial)
                commit = record.trial.commit
                if record.accepted:
                    raise WorkspaceError(f"exp/{trial} is accepted: it is part of {self._main} and stays closed")
                tags = [f"refs/tags/exp/{trial}", f"refs/tags/dead/{trial}"]
                # In this order a crash in between leaves a trial that recovery takes for closed, or for open.
                return [
                    Move(_branch(trial), None, commit),
                    self._notes.set_record(commit, trial, None),
                    *(Move(tag, self._refs.get(tag), None) for tag in tags),
                ]

            self._write(moves)

    def keep_text(self, shelf: str, name: str, text: str | None) -> None:
        """Puts a named text into `refs/autogit/SHELF`, or takes it away (None)."""
        self._write(lambda: [self._notes.set_text(shelf, name, text)])

    # ---- the lab as a whole

    def put_away(self) -> int:
        """Moves everything the lab knows below `refs/autogit/archive/N` and starts afresh; N. `main` stays.

        To be called under `lock()`. Raises WorkspaceError where there is nothing to put away.
        """
        archive = self._archive()
        number, moves = archive.away()
        if not moves:
            raise WorkspaceError("this lab has no trials: there is nothing to put away")
        self._refs.move(moves)
        archive.move_output(away=number)
        self._next, self._config_kept = None, False
        return number

    def bring_back(self, number: int | None = None) -> int:
        """Returns to the lab that was put away as `number`, or as the latest; the present one is put away. The number.

        To be called under `lock()`. Raises WorkspaceError where there is none.
        """
        archive = self._archive()
        stored = archive.numbers()
        wanted = number if number is not None else max(stored, default=None)
        if wanted not in stored:
            raise WorkspaceError(
                f"there is no such lab to return to; put away: {', '.join(map(str, stored)) or 'none'}"
            )
        away, moves = archive.away()
        self._refs.move(moves)
        archive.move_output(away=away if moves else None, back=wanted)
        self._refs.move(archive.back(wanted))
        self._next, self._config_kept = None, False
        return wanted

    def _archive(self) -> Archive:
        return Archive(self._store, self._refs, self.private)

    def sync(self, remote: str, trials: bool = True) -> Synced:
        """Sends to and fetches from a git remote (a name or a URL), fast-forwards only; `trials`: their tags too.

        Raises WorkspaceError with git's words where the remote cannot be reached, or where a person has to merge.
        """
        far = Remote(self._git, self.root, remote, self._main)
        known = {record.id for record in self.records()}
        again: list[str] = []
        words: list[str] = []
        for attempt in range(_TRIES):
            far.fetch(trials)
            words += self._write(lambda: self._take_up(far, again))
            self._store.flush()
            refs = [self._main, *notes.ALL, *self._refs.list("refs/autogit/")]
            try:
                far.push([ref for ref in refs if self._refs.get(ref) is not None], trials)
                break
            except PushRefusedError:
                if attempt == _TRIES - 1:
                    raise
        received = {record.id for record in self.records()} - known
        return Synced(len(received), tuple(again), tuple(words))

    def gc(self, keep: int | None = None) -> int:
        """Packs everything. With `keep`, drops the logs and curves of dead trials but the last `keep` first: how many.

        Code and records always stay; a lab that still has the logs brings them back at the next sync.
        """
        dead = [record for record in self.records() if record.verdict.dead]
        old = dead[: max(0, len(dead) - keep)] if keep is not None else []
        with self._lock:
            if old:
                self._write(lambda: self._housekeeping.forget(old))
            self._housekeeping.pack()
        return len(old)

    # ---- what a person says

    def guide(self) -> str:
        """`program.md` in the workspace folder as it is now, committed or not; empty where there is none."""
        try:
            return (self.root / self.prefix / GUIDE).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return ""

    def ideas(self) -> tuple[Idea, ...]:
        """Every idea that was queued, oldest first, the used ones too."""
        return ideas.parse(self.texts(ideas.SHELF))

    def add_idea(self, text: str) -> Idea:
        """Queues an idea."""
        idea = ideas.new(text)
        self.keep_text(ideas.SHELF, idea.id, ideas.format(idea))
        return idea

    # ---- revisions

    def diff(self, trial: str) -> str:
        """The change of `trial` against its own base, as it was committed."""
        return self._merger.diff(*self._change(trial))

    def difference(self, before: str, after: str) -> str:
        """The diff from one commit to another."""
        return self._merger.diff(self._tree(before), self._tree(after))

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        """The changes of `trials`, cherry-picked in order onto the commit `onto`; None where they conflict."""
        start = tree = self._tree(onto)
        for trial in trials:
            merged = self._merger.apply(self._change(trial), tree)
            if merged is None:
                return None
            tree = merged
        return self._merger.diff(start, tree)

    def revert(self, trial: str, onto: str) -> str | None:
        """The change of `trial` taken back on the commit `onto`, as a diff; None where it conflicts."""
        before, after = self._change(trial)
        tree = self._merger.apply((after, before), self._tree(onto))
        return None if tree is None else self._merger.diff(self._tree(onto), tree)

    # ---- within

    def _write(self, moves: Callable[[], list[Move]]) -> list[str]:
        """Makes the moves that `moves` finds to be due, anew where another git came first; then files follow main."""
        with self._lock:
            for _ in range(_TRIES):
                due = moves()
                step = next((m for m in due if m.ref == self._main and m.old and m.new), None)
                if step is not None:
                    self._following.expect(str(step.old))
                try:
                    self._refs.move(due)
                except RefMovedError:
                    continue
                return self._following.follow()
        raise WorkspaceError("another program keeps changing this repository's refs; stop it and try again")

    def _take_up(self, far: Remote, again: list[str]) -> list[Move]:
        merge = Merge(self._git, self._store, self._refs, self._notes, self._main)
        moves, beaten = merge.moves(far)
        if not beaten:
            return moves
        again[:] = dict.fromkeys([*again, *beaten])
        # Two steps: the merged notes have to be in place before single records in them change.
        self._refs.move([move for move in moves if move.ref != self._main])
        return merge.supersede(beaten, {r.id: r for r in self.records()}) + [m for m in moves if m.ref == self._main]

    def _name_lab(self) -> None:
        """Before the first trial: whose numbers are already here, those belong to another clone of this lab."""
        if self._git.run("config", "--local", "--get-all", LAB_KEY, ok=(0, 1)):
            return
        if self._refs.list(TAGS):
            host = re.sub(r"[^a-z0-9]+", "-", platform.node().lower()).strip("-") or "lab"
            self.lab = f"{host[:20].strip('-')}-{secrets.token_hex(2)}"
        self._git.run("config", "--local", LAB_KEY, self.lab)

    def _commit(self, proposal: Proposal, changes: Changes, id: str) -> str:
        tree = self._changed(proposal.base, {} if proposal.refused else changes)
        return commits.add(self._store, tree, [proposal.base], message.format(proposal, id))

    def _changed(self, base: str, changes: Changes) -> str:
        """The tree of `base` with `changes`."""
        root = self._tree(base)
        edits: dict[bytes, Entry | None] = {}
        for name, content in changes.items():
            path = os.fsencode(name)
            there = lookup(self._store, root, path)
            mode = there.mode if there is not None and there.mode in (FILE, EXECUTABLE) else FILE
            edits[path] = None if content is None else Entry(mode, self._store.add("blob", content))
        return (edit(self._store, root, edits) or self._store.add_tree({})) if edits else root

    def _taken_up(self, proposal: Proposal) -> list[Move]:
        """A proposal that is a trial now need not be kept."""
        if proposal.usage is None:
            return []
        name = proposals.name(proposal, self.lab)
        kept = name in self.texts(proposals.SHELF)
        return [self._notes.set_text(proposals.SHELF, name, None)] if kept else []

    def _keep_config(self) -> list[Move]:
        return [] if self._config_kept else [self._notes.set_text("config", self._file.hash, self._file.text)]

    def _free_ids(self) -> Iterator[str]:
        if self._next is None:
            self._name_lab()
            refs = self._refs.list(BRANCHES + self._id(""), TAGS + self._id(""))
            taken = [ref.rpartition("/")[2] for ref in refs if self._id(ref.rpartition("/")[2]) in ref]
            self._next = 1 + max((int(n) for n in taken if n.isdecimal()), default=-1)
        for number in range(self._next, self._next + 100_000):
            id = self._id(number)
            if self._refs.get(TAGS + id) is None and self._refs.get(BRANCHES + id) is None:
                yield id

    def _id(self, number: int | str) -> str:
        return f"{self.lab}/{number}" if self.lab else str(number)

    def _tree(self, commit: str) -> str:
        return commits.read(self._store, commit).tree

    def _closed(self, trial: str) -> str:
        commit = self._refs.get(TAGS + trial) if ID.fullmatch(trial) else None
        if commit is None:
            raise UnknownTrialError(f"no closed trial {trial} in this lab; see: autogit log")
        return commit

    def _change(self, trial: str) -> tuple[str, str]:
        """The trees before and after a trial, open or closed."""
        commit = (self._refs.get(TAGS + trial) or self._refs.get(BRANCHES + trial)) if ID.fullmatch(trial) else None
        if commit is None:
            raise UnknownTrialError(f"no trial {trial} in this lab; see: autogit log")
        found = message.trial(self._store, trial, commit)
        return self._tree(found.base), self._tree(commit)


def _text(found: Object | None) -> str | None:
    """The text of a blob; None for what is no text, or only points to a large file."""
    if found is None or b"\0" in found.body or lfs.pointer(found.body):
        return None
    try:
        return found.body.decode()
    except UnicodeDecodeError:
        return None


def _branch(id: str) -> str:
    return BRANCHES + id


def _number(id: str) -> int:
    return int(id.rpartition("/")[2])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
