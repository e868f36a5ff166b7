"""TOML tables as records are written in: each value on a line of its own, and also valid JSON.

So ten thousand records load in a fraction of a second; tables that a person has edited into other TOML are read by a
TOML parser.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from autogit.records import Value

Table = dict[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_scan: Callable[[str, int], tuple[Any, int]] = cast(Any, json.JSONDecoder()).scan_once


def read(block: str) -> list[Table]:
    """The `[[trial]]` tables of a text. Raises ValueError where it is no TOML or holds none."""
    try:
        return canonical(block)
    except (ValueError, StopIteration, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        pass
    try:
        whole = tomllib.loads(block)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid TOML: {error}") from None
    trials = whole.get("trial")
    if not isinstance(trials, list) or not all(isinstance(t, dict) for t in trials):
        raise ValueError("no [[trial]] in it")
    return trials


def canonical(block: str) -> list[dict[str, Any]]:
    """The tables of a block as this module writes them. Raises (as any of several) where it is other TOML."""
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


def table(header: str, values: Mapping[str, Value] | Mapping[str, float]) -> list[str]:
    """The lines of one table; none where it is empty."""
    return [header, *lines(values)] if values else []


def lines(values: Mapping[str, Value] | Mapping[str, float]) -> list[str]:
    """A line for each value."""
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
