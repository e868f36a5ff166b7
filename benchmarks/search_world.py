"""A lab without git and without training: the loop's own parts over the table of search_table.py.

The ledger keeps files, records and curves in memory, and moves changes as git does, by a three-way merge of lines. The
executor looks up which configuration the files amount to, whatever way led there, and reports that configuration's
learning curve, line by line, to the loop's own monitor. Everything else is what `autogit loop` runs.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from threading import Event

import search_points as points
from search_runs import POINTS, Table

from autogit.diff import applied, unified
from autogit.errors import Interrupted, PatchError
from autogit.propose.rewriting import rewrite
from autogit.propose.search.parameters import edited, find
from autogit.protocols import Changes, Ending, Execution, Job, KeptRun, Landed, Monitor
from autogit.records import Curve, Idea, Proposal, Record, Run, Scalar, Trial, Verdict

# ---- which configuration the files are


@cache
def known() -> Mapping[str, str]:
    """Digest of the files -> configuration, for every order in which the patterns can have been applied."""
    first = dict(points.files())
    texts = {(): [first]}
    for _ in points.PATTERNS:
        further: dict[tuple[str, ...], list[dict[str, str]]] = {}
        for names, ways in texts.items():
            for pattern in points.chosen():
                if pattern.name not in names:
                    more = tuple(n for n in points.PATTERNS if n in (*names, pattern.name))
                    for text in ways:
                        after = rewrite(pattern, text)
                        if after is not None and {**text, **after} not in further.setdefault(more, []):
                            further[more].append({**text, **after})
        texts |= further
    return {digest(text): " ".join(names) for names, ways in texts.items() for text in ways}


def configuration(files: Mapping[str, str]) -> str | None:
    """The key of the configuration that `files` are; None where the table does not hold it."""
    return _configuration(files["train.py"], files["model.py"])


@lru_cache(maxsize=100_000)
def _configuration(train: str, model: str) -> str | None:
    files = {"train.py": train, "model.py": model}
    found = find(points.space(points.HYPERPARAMETERS), files, points.shipped().train.command)
    values = {name: parameter.value for name, parameter in found.parameters.items()}
    neutral = edited(found, files, dict(points.start().values))
    names = None if neutral is None else known().get(digest({**files, **neutral}))
    if names is None or None in values.values():
        return None
    patterns = tuple(names.split())
    return points.Point(tuple((name, values[name]) for name in points.HYPERPARAMETERS), patterns).key


def digest(files: Mapping[str, str]) -> str:
    """Names what the code does, comments and layout aside."""
    meaning = "\0".join(ast.dump(ast.parse(text)) for _, text in sorted(files.items()))
    return hashlib.sha256(meaning.encode()).hexdigest()


# ---- the ledger


class MemoryLedger:
    """`protocols.Ledger` for one loop, in memory."""

    def __init__(self, private: Path, files: Mapping[str, str]) -> None:
        self.private = private
        self._files = {"start": dict(files)}
        self._main = "start"
        self._next = ""
        self._records: list[Record] = []
        self._position: dict[str, int] = {}
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._trials: dict[str, Trial] = {}

    def main(self) -> str:
        return self._main

    def tip(self) -> str:
        return self._next or self._main

    def is_own(self, trial: str) -> bool:
        return True

    def prove(self, records: Sequence[Record]) -> Sequence[str]:
        self._replace(records)
        self._main = records[-1].trial.commit
        if self._next == self._main:
            self._next = ""
        return ()

    def disprove(self, records: Sequence[Record]) -> None:
        self._replace(records)
        self._next = ""

    def _replace(self, records: Sequence[Record]) -> None:
        for record in records:
            self._records[self._position[record.id]] = record

    def files(self, commit: str) -> Mapping[str, str]:
        return self._files[commit]

    def records(self) -> Sequence[Record]:
        return tuple(self._records)

    def unfinished(self) -> Sequence[Trial]:
        return ()

    def open(self, proposal: Proposal, changes: Changes) -> Trial:
        number = str(len(self._trials))
        commit = f"c{number}" if changes else proposal.base
        made = {path: content.decode() for path, content in changes.items() if content is not None}
        self._files[commit] = {**self._files[proposal.base], **made}
        trial = Trial(
            number, commit, proposal.base, proposal.title, proposal.proposer, proposal.operator,
            parameters=proposal.parameters, parents=proposal.parents,
        )  # fmt: skip
        self._trials[number] = trial
        return trial

    def keep_runs(self, trial: Trial, runs: Sequence[KeptRun]) -> None:
        """Nothing here is ever interrupted."""

    def kept_runs(self, trial: Trial) -> Sequence[KeptRun]:
        return ()

    def stage(self, base: str, changes: Changes) -> None:
        """Nothing is on a disk."""

    def forget(self, proposal: Proposal) -> None:
        raise NotImplementedError

    def keep(self, proposal: Proposal) -> None:
        raise NotImplementedError

    def kept(self) -> Sequence[Proposal]:
        return ()

    def lines(self, trial: Trial) -> int:
        raise NotImplementedError

    def discard(self, trial: Trial) -> None:
        del self._trials[trial.id]

    def reopen(self, trials: Sequence[str]) -> None:
        raise NotImplementedError

    def checkout(self, commit: str, slot: int) -> Path:
        return Path("/table", commit)

    def close(self, record: Record, log: str, curves: Sequence[Curve]) -> Sequence[str]:
        self._position[record.id] = len(self._records)
        self._records.append(record)
        self._curves[record.id] = tuple(curves)
        if record.verdict is Verdict.ACCEPTED:
            self._main = record.trial.commit
        elif record.verdict is Verdict.KEPT:
            self._next = record.trial.commit
        return ()

    def difference(self, before: str, after: str) -> str:
        return unified(self._files[before], self._files[after])

    def note_check(self, trial: str, check: Mapping[str, Scalar]) -> Record:
        record = self._records[self._position[trial]]
        self._records[self._position[trial]] = record = replace(record, checks=(*record.checks, check))
        return record

    def extend(self, trial: str, runs: Sequence[Run], curves: Sequence[Curve]) -> Record:
        record = self._records[self._position[trial]]
        self._records[self._position[trial]] = record = replace(record, runs=(*record.runs, *runs))
        self._curves[trial] += tuple(curves)
        return record

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        return self._moved([(self._trials[t].base, self._trials[t].commit) for t in trials], onto)

    def revert(self, trial: str, onto: str) -> str | None:
        return self._moved([(self._trials[trial].commit, self._trials[trial].base)], onto)

    def diff(self, trial: str) -> str:
        return self.difference(self._trials[trial].base, self._trials[trial].commit)

    def curves(self, trial: str) -> tuple[Curve, ...]:
        return self._curves[trial]

    def log(self, trial: str) -> str:
        return ""

    def guide(self) -> str:
        return ""

    def ideas(self) -> tuple[Idea, ...]:
        return ()

    def clone(self, commit: str) -> Path:
        raise NotImplementedError

    def _moved(self, changes: Sequence[tuple[str, str]], onto: str) -> str | None:
        files = dict(self._files[onto])
        for before, after in changes:
            for path in files:
                merged = merge(self._files[before][path], self._files[after][path], files[path])
                if merged is None:
                    return None
                files[path] = merged
        return unified(self._files[onto], files)


@lru_cache(maxsize=100_000)
def merge(base: str, theirs: str, ours: str) -> str | None:
    """`ours` with what leads from `base` to `theirs`, as git merges lines; None where they conflict."""
    if base in (theirs, ours):
        return ours if base == theirs else theirs
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder, name)) for name in ("ours", "base", "theirs")]
        for name, text in zip(names, (ours, base, theirs), strict=True):
            Path(name).write_text(text)
        done = subprocess.run(["git", "merge-file", "-p", "-q", *names], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


# ---- the executor


class TableExecutor:
    """`protocols.Executor` that reports recorded runs, and counts what they would have cost."""

    def __init__(self, measured: Table, ledger: MemoryLedger, repetition: int, budget: float) -> None:
        """`budget`: full runs that the loop may spend; the run that comes after it is not begun."""
        self.reserve = 0.0
        """Of these, what the search must leave for the last proof."""
        self.spent = 0.0
        """Full runs' worth of compute so far."""
        self._table = measured
        self._ledger = ledger
        self._repetition = repetition
        self._budget = budget

    @property
    def tier(self) -> str:
        return "none"

    @property
    def environment(self) -> Mapping[str, Scalar]:
        return {"device": "table"}

    def variables(self, slot: int, seed: int) -> Mapping[str, str]:
        return {}

    def run(self, job: Job, monitor: Monitor, cancel: Event) -> Execution:
        key = configuration(self._ledger.files(job.checkout.name))
        if key is None:
            raise ValueError(f"{job.checkout.name} is a configuration that the table does not hold")
        steps = self._table.steps[key]
        if "budget.py" in job.command:
            return self._ended(0.0, f"steps: {steps}")
        found = self._table.run(key, int(job.command.split("--seed ")[1].split()[0]), self._repetition)
        if "evaluate.py" in job.command:
            return self._ended(0.0, f"val_loss: {found.loss:.6f}")
        if self.spent >= self._budget - self.reserve:
            raise Interrupted("the compute is used up")
        for number, value in enumerate(found.curve, 1):
            step = round(number * steps / POINTS)
            halt = monitor.line(f"step {step} loss {value:.4f} monitor {value:.4f}", 0.0)
            if halt is not None:
                self.spent += number / POINTS
                return replace(self._ended(number / POINTS, ""), ending=Ending.HALTED, halt=halt)
        self.spent += 1.0
        return self._ended(1.0, "")

    @cached_property
    def _seconds(self) -> float:
        # A run of equal compute takes about equal time: the portfolio weighs gains by it.
        return 10.0

    def _ended(self, share: float, log: str) -> Execution:
        return Execution(Ending.EXITED, 0, share * self._seconds, None, log)


def land(ledger: MemoryLedger, text: str, base: str) -> Landed:
    """What a proposal of the built-in proposers makes of its base, if the table holds it."""
    files = ledger.files(base)
    after = applied(files, text)
    if not after:
        raise PatchError("the diff does not apply")
    if configuration({**files, **{path: new for path, new in after.items() if new is not None}}) is None:
        raise PatchError("the table does not hold that")
    return Landed(text, {path: new.encode() if new is not None else None for path, new in after.items()})
