"""A trial's life: opened, closed, extended, checked, taken back, opened again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from autogit.config.load import ConfigFile
from autogit.errors import UnknownTrialError, WorkspaceError
from autogit.ledger import attachments, message, proposals
from autogit.ledger import runs as open_runs
from autogit.ledger.git import commits, notes
from autogit.ledger.git.objects import EXECUTABLE, FILE, Entry, edit, lookup
from autogit.ledger.git.refs import Move, RefMovedError
from autogit.ledger.ids import ID
from autogit.ledger.line import ProvisionalLine
from autogit.ledger.reading import Reading
from autogit.ledger.repository import Housekeeping, Repository
from autogit.ledger.trial_refs import BRANCHES, DEAD, TAGS, Numbers, ending, number
from autogit.ledger.workspace import settle_main
from autogit.protocols import Changes, KeptRun
from autogit.records import BASELINE, Curve, Proposal, Record, Run, Scalar, Trial

CONFIG_KEY = "autogit.config"
"""In the clone's own git configuration: the hashes of the configurations by which it has made trials."""


class Trials(Reading):
    """The writing half of `protocols.Ledger`. Each write is one transaction."""

    def __init__(self, repository: Repository, file: ConfigFile, editable: Callable[[str], bool]) -> None:
        super().__init__(repository, editable)
        self._file = file
        self._config_kept = False
        self._numbers = Numbers(repository)
        self._housekeeping = Housekeeping(repository)
        self._line = ProvisionalLine(repository)

    def unfinished(self) -> Sequence[Trial]:
        """Trials that were open when a loop ended; they run again under their numbers."""
        found = self._repository.refs.list(BRANCHES).items()
        branches = {ref.removeprefix(BRANCHES): commit for ref, commit in found}
        own = sorted((id for id in branches if ID.fullmatch(id) and self._numbers.own(id)), key=number)
        return [message.trial(self._repository.store, id, branches[id]) for id in own]

    def is_own(self, trial: str) -> bool:
        """Returns whether a trial was made in this clone; others come by sync."""
        return self._numbers.own(trial)

    def open(self, proposal: Proposal, changes: Changes) -> Trial:
        """Commits `changes` on the proposal's base, claims the next number and makes the branch `exp/N`."""
        repository = self._repository
        with repository.lock:
            for id in self._numbers.free():
                commit = proposal.base
                if proposal.proposer != BASELINE:
                    commit = self._commit(proposal, changes, id)
                moves = [Move(BRANCHES + id, None, commit)]
                if proposal.refused:
                    raw = attachments.bounded(proposal.raw or proposal.diff)
                    moves.insert(0, repository.notes.set_part(notes.LOGS, commit, id, raw))
                try:
                    repository.refs.move([*self._keep_config(), *moves, *self._taken_up(proposal)])
                except RefMovedError:
                    continue
                self._numbers.took(id)
                if not self._config_kept:
                    settle_main(repository.git, repository.branch)
                    self._own_config()
                    self._config_kept = True
                return replace(message.trial(repository.store, id, commit), title=message.title(proposal))
        raise WorkspaceError("no number could be claimed: another program keeps changing this repository's refs")

    def keep_runs(self, trial: Trial, kept: Sequence[KeptRun]) -> None:
        """Keeps finished runs of an open trial until it is closed."""
        texts = {open_runs.name(trial.commit, one.run.seed): open_runs.format(one) for one in kept}
        self._repository.write(lambda: [self._repository.notes.set_texts(open_runs.SHELF, texts)])

    def kept_runs(self, trial: Trial) -> Sequence[KeptRun]:
        """Returns the finished runs of an open trial, by their seeds: made by an earlier loop, or in another clone."""
        return open_runs.parse(self.texts(open_runs.SHELF), trial.commit)

    def _let_go(self, commit: str) -> list[Move]:
        """The moves that forget what was kept of a trial that is closed or taken back."""
        names = [name for name in self._repository.notes.names(open_runs.SHELF) if open_runs.is_of(name, commit)]
        return [self._repository.notes.set_texts(open_runs.SHELF, dict.fromkeys(names))] if names else []

    def stage(self, base: str, changes: Changes) -> None:
        """Writes the files of `changes` on `base` to the disk, so that opening a trial of them is quick."""
        self._changed(base, changes)
        self._repository.store.flush()

    def keep(self, proposal: Proposal) -> None:
        """Keeps a proposal that was paid for until a trial takes it up, in this loop or another."""
        self._numbers.settle()
        name, text = proposals.name(proposal, self._numbers.lab), proposals.format(proposal)
        self._repository.write(lambda: [self._repository.notes.set_text(proposals.SHELF, name, text)])

    def forget(self, proposal: Proposal) -> None:
        """Keeps a proposal no longer: another one that counts its cost has taken its place."""
        name = proposals.name(proposal, self._numbers.lab)
        if name in self.texts(proposals.SHELF):
            self._repository.write(lambda: [self._repository.notes.set_text(proposals.SHELF, name, None)])

    def kept(self) -> Sequence[Proposal]:
        """The proposals that this lab keeps, and no other that it syncs with."""
        return proposals.parse(self.texts(proposals.SHELF), self._numbers.lab)

    def lines(self, trial: Trial) -> int:
        """Lines that the commit of an open trial adds minus those it removes."""
        arguments = ("diff-tree", "-r", "--numstat", "--no-renames", trial.base, trial.commit)
        counts = [line.split("\t")[:2] for line in self._repository.git.run(*arguments).decode().splitlines()]
        return sum(int(added) - int(removed) for added, removed in counts if added != "-")

    def discard(self, trial: Trial) -> None:
        """Takes an open trial back: its number is free again, as if it had never been opened."""
        self._repository.refs.move([*self._let_go(trial.commit), Move(BRANCHES + trial.id, trial.commit, None)])
        self._numbers.gave_back(trial.id)

    def close(self, record: Record, log: str, curves: Sequence[Curve]) -> Sequence[str]:
        """Writes the record and ends the branch, all in one transaction; `main` follows an accepted trial.

        Returns words for the person. Raises MainMovedError (nothing was written), UnknownTrialError where the trial is
        not open.
        """
        repository, trial = self._repository, record.trial
        record = record if record.closed else replace(record, closed=_now())

        def moves() -> list[Move]:
            if repository.refs.get(BRANCHES + trial.id) != trial.commit:
                raise UnknownTrialError(f"trial {trial.id} is not open")
            annotated, curve_text = repository.notes, attachments.format_curves(curves)
            text = attachments.bounded(log) if log else annotated.part(notes.LOGS, trial.commit, trial.id)
            return [
                annotated.set_part(notes.LOGS, trial.commit, trial.id, text),
                annotated.set_part(notes.CURVES, trial.commit, trial.id, curve_text),
                annotated.set_record(trial.commit, trial.id, record),
                *self._let_go(trial.commit),
                *ending(repository, record),
                *([self._line.keep(record)] if record.kept else []),
            ]

        words = repository.write(moves)
        if self._housekeeping.due:
            self._housekeeping.pack()
        return words

    def tip(self) -> str:
        """Returns the commit that proposals are made on: the tip of the provisional line, else of `main`."""
        return self._line.tip()

    def prove(self, records: Sequence[Record]) -> Sequence[str]:
        """Takes kept trials over to `main`, oldest first, all in one transaction; their records say so.

        Returns words for the person. Raises MainMovedError if `main` is no longer what the trials build on.
        """
        return self._line.prove(records)

    def disprove(self, records: Sequence[Record]) -> None:
        """Ends kept trials as unproved, as their records say; search starts again from `main`."""
        self._line.disprove(records)

    def extend(self, trial: str, runs: Sequence[Run], curves: Sequence[Curve]) -> Record:
        """Adds later runs of a closed trial to its record (the incumbent on further seeds)."""
        annotated = self._repository.notes

        def moves() -> list[Move]:
            # Its metrics stay those of the verdict: they come from runs that did not choose it.
            record = self.record(trial)
            commit = record.trial.commit
            text = attachments.format_curves([*self.curves(trial), *curves])
            return [
                annotated.set_part(notes.CURVES, commit, trial, text),
                annotated.set_record(commit, trial, replace(record, runs=(*record.runs, *runs))),
            ]

        self._repository.write(moves)
        return self.record(trial)

    def note_check(self, trial: str, check: Mapping[str, Scalar]) -> Record:
        """Adds what a later re-measurement found to a closed trial's record."""

        def moves() -> list[Move]:
            record = self.record(trial)
            record = replace(record, checks=(*record.checks, dict(check)))
            return [self._repository.notes.set_record(record.trial.commit, trial, record)]

        self._repository.write(moves)
        return self.record(trial)

    def reopen(self, trials: Sequence[str]) -> None:
        """Withdraws the verdicts of closed dead trials; they are unfinished again, under their numbers."""
        for trial in trials:
            self._repository.write(partial(self._reopening, trial))

    def _reopening(self, trial: str) -> list[Move]:
        repository, record = self._repository, self.record(trial)
        commit = record.trial.commit
        if record.accepted:
            raise WorkspaceError(f"exp/{trial} is accepted: it is part of {repository.branch} and stays closed")
        # In this order a crash in between leaves a trial that recovery takes for closed, or for open.
        return [
            Move(BRANCHES + trial, None, commit),
            repository.notes.set_record(commit, trial, None),
            *(Move(kind + trial, repository.refs.get(kind + trial), None) for kind in (TAGS, DEAD)),
        ]

    def _commit(self, proposal: Proposal, changes: Changes, id: str) -> str:
        tree = self._changed(proposal.base, {} if proposal.refused else changes)
        return commits.add(self._repository.store, tree, [proposal.base], message.format(proposal, id))

    def _changed(self, base: str, changes: Changes) -> str:
        """The tree of `base` with `changes`."""
        store, root = self._repository.store, self._repository.tree(base)
        edits: dict[bytes, Entry | None] = {}
        for name, content in changes.items():
            path = os.fsencode(name)
            there = lookup(store, root, path)
            mode = there.mode if there is not None and there.mode in (FILE, EXECUTABLE) else FILE
            edits[path] = None if content is None else Entry(mode, store.add("blob", content))
        return (edit(store, root, edits) or store.add_tree({})) if edits else root

    def _taken_up(self, proposal: Proposal) -> list[Move]:
        """A proposal that is a trial now need not be kept."""
        if proposal.usage is None:
            return []
        name = proposals.name(proposal, self._numbers.lab)
        kept = name in self.texts(proposals.SHELF)
        return [self._repository.notes.set_text(proposals.SHELF, name, None)] if kept else []

    def is_own_config(self, hash: str) -> bool:
        """Whether this clone has made trials by the configuration of that hash, and not only heard of it by a sync."""
        return hash == self._file.hash or hash in self._own_configs()

    def _own_configs(self) -> list[str]:
        return self._repository.git.run("config", "--local", "--get-all", CONFIG_KEY, ok=(0, 1)).decode().split()

    def _own_config(self) -> None:
        if self._file.hash not in self._own_configs():
            self._repository.git.run("config", "--local", "--add", CONFIG_KEY, self._file.hash)

    def _keep_config(self) -> list[Move]:
        if self._config_kept:
            return []
        return [self._repository.notes.set_text("config", self._file.hash, self._file.text)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
