"""The text of a git note: records as TOML between two fences, and a person's own words around them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeVar

from autogit.ledger import record, tables
from autogit.records import Record, Run

T = TypeVar("T")

BEGIN, END = "# autogit", "# end"

MAX_NOTE = 1 << 22
"""Characters of one commit's note that are read."""

_RECORD = re.compile(r"^(?=\[\[trial\]\]$)", re.MULTILINE)
_BLOCK = re.compile(rf"^{BEGIN}\n((?:(?!{END}$).*\n)*){END}$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bad:
    """A part of a note that is no record, and why."""

    text: str
    why: str


def parse(text: str, commit: str) -> list[Record]:
    """Returns the records in a commit's note, as they stand there; what is none is left out (see `read`)."""
    return read(text, commit)[0]


def read(text: str, commit: str) -> tuple[list[Record], list[Bad]]:
    """Returns the records in a commit's note, and what stands between the fences and is none."""
    records: list[Record] = []
    bad: list[Bad] = []
    for block in _BLOCK.findall(text[:MAX_NOTE]):
        try:
            records += [record.from_table(table, commit) for table in tables.read(block)]
        except ValueError:
            _read_each(block, commit, records, bad)
    if len(text) > MAX_NOTE:
        bad.append(Bad("", f"the note is longer than {MAX_NOTE} characters"))
    return records, bad


def _read_each(block: str, commit: str, records: list[Record], bad: list[Bad]) -> None:
    """The same, one record after the other, so that a bad one hides no other."""
    for part in _RECORD.split(block):
        if part.strip():
            try:
                records += [record.from_table(table, commit) for table in tables.read(part)]
            except ValueError as error:
                bad.append(Bad(part, str(error)))


def write(text: str, records: Iterable[Record]) -> str:
    """Returns the note with these records in place of those it held; empty if nothing is left.

    The person's own words stay, and so does what cannot be read as a record: it may be one that they edited.
    """
    parts = [*map(record.format, records), *(bad.text for bad in read(text, "")[1] if bad.text)]
    block = "".join([f"{BEGIN}\n", "\n".join(parts), f"{END}\n"]) if parts else ""
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
