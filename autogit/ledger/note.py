"""The text of a git note: records as TOML between two fences, and a person's own words around them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import takewhile
from typing import TypeVar

from autogit.errors import WorkspaceError
from autogit.ledger import record, tables
from autogit.records import Record, Run

T = TypeVar("T")

BEGIN, END = "# autogit", "# end"

_BLOCK = re.compile(rf"^{BEGIN}\n((?:(?!{END}$).*\n)*){END}$\n?", re.MULTILINE)


class NoteError(WorkspaceError):
    """A block between the fences cannot be read as records."""


def parse(text: str, commit: str) -> list[Record]:
    """The records in a commit's note, as they stand there. Raises NoteError."""
    try:
        return [record.from_table(table, commit) for block in _BLOCK.findall(text) for table in tables.read(block)]
    except ValueError as error:
        raise NoteError(
            f"the note on commit {commit[:12]} cannot be read: {error}. "
            f"Mend it: git notes show {commit[:12]} > note.txt, then git notes add -f -F note.txt {commit[:12]}"
        ) from None


def write(text: str, records: Iterable[Record]) -> str:
    """The note with these records in place of those it held; the person's own words stay. Empty if nothing is left."""
    records = list(records)
    block = "".join([f"{BEGIN}\n", "\n".join(map(record.format, records)), f"{END}\n"]) if records else ""
    position = match.start() if (match := _BLOCK.search(text)) else len(text)
    before, after = _BLOCK.sub("", text[:position]), _BLOCK.sub("", text[position:])
    if block and before and not before.endswith("\n"):
        before += "\n"
    return before + block + after


def words(text: str) -> str:
    """What a person has written around the records."""
    return _BLOCK.sub("", text)


def join(ours: str, theirs: str, base: str = "") -> str:
    """Returns one note of two on the same commit that were `base` once: every record once, and both texts."""
    known, before = ({one.id: one for one in parse(text, "")} for text in (ours, base))
    for other in parse(theirs, ""):
        known[other.id] = _union(known.get(other.id, other), other, before.get(other.id))
    foreign = words(theirs).strip("\n")
    if foreign and foreign not in words(ours):
        ours = f"{ours}\n{foreign}\n" if ours else f"{foreign}\n"
    return write(ours, known.values())


def _union(ours: Record, theirs: Record, base: Record | None) -> Record:
    """Both tell of the same trial: what the other has measured besides is added, the verdict is the newer one.

    Which one is newer, git's history tells: the one that `base` did not have. Clocks of two machines do not.
    """
    first, second = sorted((ours, theirs), key=lambda r: (_is_new(r, base), *_weight(r)))
    runs = _both(first.runs, second.runs, _run_key)
    checks = _both(first.checks, second.checks, lambda check: json.dumps(dict(check), sort_keys=True))
    return replace(second, runs=runs, checks=checks)


def _both(first: Iterable[T], second: Iterable[T], key: Callable[[T], str]) -> tuple[T, ...]:
    """Every one once: first those with which both begin, then what each has added, in one order on both sides."""
    mine, other = ({key(one): one for one in side} for side in (first, second))
    begin = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, other, strict=False))]
    by_key = mine | other
    return tuple(by_key[name] for name in dict.fromkeys((*begin, *sorted(by_key))))


def _weight(one: Record) -> tuple[int, str]:
    """How many runs a verdict rests on, and its text without them, so that both sides decide alike."""
    return len(set(map(_run_key, one.runs))), record.format(replace(one, runs=(), checks=()))


def _is_new(one: Record, base: Record | None) -> bool:
    """Whether its verdict is another than the one that both sides knew."""
    return base is None or (one.verdict, one.reason, one.closed) != (base.verdict, base.reason, base.closed)


def _run_key(run: Run) -> str:
    return "\n".join(
        tables.lines({"seed": run.seed, "status": run.status.value, "seconds": run.seconds, **run.metrics})
    )
