"""The text of a record in a git note: TOML that a person reads in `git log --notes` and any TOML library parses.

Each value stands on a line of its own and is also valid JSON, so that ten thousand records load in a fraction of a
second; a block that a person has edited into other TOML is read by a TOML parser.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from autogit.records import Record, Run, RunStatus, Trial, Usage, Value, Verdict

BEGIN, END = "# autogit", "# end"

_BLOCK = re.compile(rf"^{BEGIN}\n((?:(?!{END}$).*\n)*){END}$\n?", re.MULTILINE)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_scan: Callable[[str, int], tuple[Any, int]] = cast(Any, json.JSONDecoder()).scan_once


class NoteError(ValueError):
    """A block between the fences cannot be read as records."""


def parse(text: str, commit: str) -> list[Record]:
    """The records in a commit's note, as they stand there. Raises NoteError."""
    return [_record(table, commit) for block in _BLOCK.findall(text) for table in _tables(block)]


def write(text: str, records: Iterable[Record]) -> str:
    """The note with these records in place of those it held; the person's own words stay. Empty if nothing is left."""
    records = list(records)
    block = "".join([f"{BEGIN}\n", "\n".join(map(format_record, records)), f"{END}\n"]) if records else ""
    position = match.start() if (match := _BLOCK.search(text)) else len(text)
    before, after = _BLOCK.sub("", text[:position]), _BLOCK.sub("", text[position:])
    if block and before and not before.endswith("\n"):
        before += "\n"
    return before + block + after


def words(text: str) -> str:
    """What a person has written around the records."""
    return _BLOCK.sub("", text)


def join(ours: str, theirs: str) -> str:
    """One note of two on the same commit: every record once (ours where both tell of one trial), and both texts."""
    mine = parse(ours, "")
    known = {record.id: record for record in mine}
    for record in parse(theirs, ""):
        kept = known.get(record.id)
        known[record.id] = record if kept is None else _union(kept, record)
    foreign = words(theirs).strip("\n")
    if foreign and foreign not in words(ours):
        ours = f"{ours}\n{foreign}\n" if ours else f"{foreign}\n"
    return write(ours, known.values())


def format_record(record: Record) -> str:
    """One `[[trial]]` block, the telling lines first."""
    trial = record.trial
    lines = ["[[trial]]"]
    lines += _lines({
        "id": trial.id, "verdict": record.verdict.value, "title": trial.title, "reason": record.reason,
        "proposer": trial.proposer, "operator": trial.operator, "base": trial.base,
    })  # fmt: skip
    details: dict[str, Value] = {
        "parents": trial.parents,
        "rationale": trial.rationale,
        "expected": trial.expected,
        "reproduce": record.reproduce,
        "closed": record.closed,
        "idea": trial.idea,
    }
    lines += _lines({name: value for name, value in details.items() if value})
    lines += _table("[trial.metrics]", record.metrics) + _table("[trial.statistics]", record.statistics)
    lines += _table("[trial.parameters]", trial.parameters)
    if trial.usage is not None:
        lines += ["[trial.usage]", *_lines({name: getattr(trial.usage, name) for name in _USAGE})]
    for run in record.runs:
        lines += ["[[trial.runs]]", *_lines({"seed": run.seed, "status": run.status.value, "seconds": run.seconds})]
        lines += _lines({} if run.step is None else {"step": run.step})
        lines += _lines({"reason": run.reason} if run.reason else {})
        lines += _table("[trial.runs.metrics]", run.metrics)
    lines += _table("[trial.environment]", record.environment)
    for check in record.checks:
        lines += ["[[trial.checks]]", *_lines(check)]
    return "\n".join(lines) + "\n"


_USAGE = ("input_tokens", "output_tokens", "seconds", "cost")


def _union(ours: Record, theirs: Record) -> Record:
    """Both tell of the same trial: what the other has measured besides is added, the verdict is the later one."""
    first, second = sorted((ours, theirs), key=lambda r: (r.closed, format_record(r)))
    runs = dict.fromkeys(_run_key(run) for run in (*first.runs, *second.runs))
    by_key = {_run_key(run): run for run in (*first.runs, *second.runs)}
    checks = {json.dumps(dict(c), sort_keys=True): c for c in (*first.checks, *second.checks)}
    return replace(second, runs=tuple(by_key[key] for key in runs), checks=tuple(checks.values()))


def _run_key(run: Run) -> str:
    return "\n".join(_lines({"seed": run.seed, "status": run.status.value, "seconds": run.seconds, **run.metrics}))


def _table(header: str, values: Mapping[str, Value] | Mapping[str, float]) -> list[str]:
    return [header, *_lines(values)] if values else []


def _lines(values: Mapping[str, Value] | Mapping[str, float]) -> list[str]:
    return [f"{key if _BARE.fullmatch(key) else _text(key)} = {_value(value)}" for key, value in values.items()]


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        # Also a subclass such as numpy's, whose own repr is no TOML. Bare `1e16` would read as JSON and as TOML alike.
        return repr(float(value)) if math.isfinite(value) else str(float(value))
    return str(int(value))


def _text(value: str) -> str:
    """A string that is the same in TOML and in JSON. What UTF-8 cannot carry becomes a question mark."""
    quoted = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
    return quoted.replace("\x7f", "\\u007f")


def _tables(block: str) -> list[dict[str, Any]]:
    try:
        return _canonical(block)
    except (ValueError, StopIteration, KeyError, IndexError):
        pass
    try:
        return _as_json(tomllib.loads(block))
    except tomllib.TOMLDecodeError as error:
        raise NoteError(f"not valid TOML: {error}") from None


def _as_json(table: dict[str, Any]) -> list[dict[str, Any]]:
    trials = table.get("trial")
    if not isinstance(trials, list) or not all(isinstance(t, dict) for t in trials):
        raise NoteError("no [[trial]] in it")
    return trials


def _canonical(block: str) -> list[dict[str, Any]]:
    """The tables of a block as `format_record` writes them. Raises (as any of several) where it is other TOML."""
    trials: list[dict[str, Any]] = []
    table: dict[str, Any] = {}
    for line in block.split("\n"):
        if not line:
            continue
        if line[0] == "[":
            if line == "[[trial]]":
                table = {}
                trials.append(table)
                continue
            name, repeated, inner = _HEADERS[line]
            trial, table = trials[-1], {}
            if repeated:
                trial.setdefault(name, []).append(table)
            elif inner:
                trial[name][-1][inner] = table
            else:
                trial[name] = table
            continue
        key, value = _pair(line)
        if key in table:
            raise ValueError(line)
        table[key] = value
    return trials


@lru_cache(maxsize=1 << 14)
def _pair(line: str) -> tuple[str, Any]:
    """The key and the value of one line. Most lines of a lab's records are the same in many of them."""
    if line[0] == '"':
        key, end = _scan(line, 0)
        if line[end : end + 3] != " = ":
            raise ValueError(line)
        start = end + 3
    else:
        start = line.index(" = ") + 3
        key = line[: start - 3]
        if not key.isidentifier() and not _BARE.fullmatch(key):
            raise ValueError(line)
    value, end = _scan(line, start)
    if end != len(line):
        raise ValueError(line)
    return key, value


_HEADERS = {
    "[trial.metrics]": ("metrics", False, ""),
    "[trial.statistics]": ("statistics", False, ""),
    "[trial.parameters]": ("parameters", False, ""),
    "[trial.usage]": ("usage", False, ""),
    "[trial.environment]": ("environment", False, ""),
    "[[trial.runs]]": ("runs", True, ""),
    "[trial.runs.metrics]": ("runs", False, "metrics"),
    "[[trial.checks]]": ("checks", True, ""),
}


def _record(table: dict[str, Any], commit: str) -> Record:
    try:
        usage = table.get("usage")
        trial = Trial(
            id=table["id"],
            commit=commit,
            base=table["base"],
            title=table["title"],
            proposer=table["proposer"],
            operator=table["operator"],
            rationale=table.get("rationale", ""),
            expected=table.get("expected", ""),
            parameters=_frozen(table.get("parameters")),
            parents=tuple(table.get("parents", ())),
            usage=None if usage is None else Usage(**usage),
            idea=table.get("idea", ""),
        )
        return Record(
            trial=trial,
            verdict=Verdict(table["verdict"]),
            reason=table["reason"],
            metrics=_frozen(table.get("metrics")),
            runs=tuple([_run(run) for run in table.get("runs", ())]),
            environment=_frozen(table.get("environment")),
            reproduce=table.get("reproduce", ""),
            closed=table.get("closed", ""),
            statistics=_frozen(table.get("statistics")),
            checks=tuple([_frozen(check) for check in table.get("checks", ())]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NoteError(f"trial {table.get('id', '?')} on {commit[:12]}: {error!r}") from None


def _run(table: dict[str, Any]) -> Run:
    return Run(
        table["seed"],
        RunStatus(table["status"]),
        table["seconds"],
        table.get("step"),
        _frozen(table.get("metrics")),
        table.get("reason", ""),
    )


def _frozen(table: dict[str, Any] | None) -> dict[str, Any]:
    if not table:
        return {}
    return {k: tuple(v) if type(v) is list else v for k, v in table.items()}
