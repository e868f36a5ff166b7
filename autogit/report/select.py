"""Choosing and ordering trials by what is known of them: `val_loss < 2.5 and operator = "patterns"`.

A small language of its own, read by a small parser: nothing that a person or a script passes is ever run as code.

    condition  = both {"or" both}
    both       = one {"and" one}
    one        = "not" one | "(" condition ")" | name comparison value
    comparison = "<" | "<=" | ">" | ">=" | "=" | "==" | "!=" | "~" (contains) | "!~"
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from autogit.errors import ConfigError
from autogit.history import History
from autogit.records import Record

Fields = Mapping[str, float | str]
"""What is known of one row, by name; what is not known is absent."""
Condition = Callable[[Fields], bool]
Row = TypeVar("Row")

BETTER_FIRST = ("gain", "effect", "z", "rate", "accepted")
"""Names that are sorted from the largest down."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])%?|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|!~|[<>=~()])|(?P<word>[A-Za-z_][\w./@+-]*))"
)
_NUMERIC = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip


def trial_fields(history: History, record: Record) -> dict[str, float | str]:
    """What can be asked of a trial: its own facts, then metrics, statistics and parameters by their names."""
    trial = record.trial
    found: dict[str, float | str] = {
        name: value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        for name, value in {**trial.parameters, **record.statistics, **record.metrics}.items()
    }
    found |= {
        "trial": float(trial.number), "verdict": str(record.verdict), "operator": trial.operator,
        "proposer": trial.proposer, "title": trial.title, "reason": record.reason, "seconds": record.seconds,
        "runs": float(len(record.runs)), "closed": record.closed, "commit": trial.commit,
    }  # fmt: skip
    more = {"gain": history.improvement(record), "effect": history.effect(record)}
    return found | {name: value for name, value in more.items() if value is not None}


def chosen(rows: Sequence[Row], fields: Callable[[Row], Fields], where: str | None, sort: str | None) -> list[Row]:
    """The rows that `where` allows, by `sort` (a name; "-" before it turns the order round), the unknown last.

    Raises ConfigError if the condition cannot be read or names what no row has.
    """
    table = [(row, fields(row)) for row in rows]
    known = sorted({name for _, of_row in table for name in of_row})
    if where:
        condition = parse(where, known)
        table = [(row, of_row) for row, of_row in table if condition(of_row)]
    if sort:
        name = sort.removeprefix("-")
        _check(name, known)
        down = (name in BETTER_FIRST) != sort.startswith("-")
        having = [pair for pair in table if name in pair[1]]
        numbers = all(isinstance(of_row[name], int | float) for _, of_row in having)
        having.sort(key=lambda pair: pair[1][name] if numbers else str(pair[1][name]), reverse=down)
        table = having + [pair for pair in table if name not in pair[1]]
    return [row for row, _ in table]


def parse(text: str, known: Sequence[str]) -> Condition:
    """A condition as a function. Raises ConfigError with the place at which it cannot be read."""
    return _Parser(text, known).whole()


class _Parser:
    def __init__(self, text: str, known: Sequence[str]) -> None:
        self._text = text
        self._known = known
        self._tokens: list[tuple[str, str, int]] = []
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise self._error(place, "cannot be read")
            self._tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            place = match.end()
        self._next = 0

    def whole(self) -> Condition:
        found = self._either()
        if self._next < len(self._tokens):
            raise self._error(self._tokens[self._next][2], 'expected "and", "or" or the end')
        return found

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._took("word", "or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda fields: any(part(fields) for part in parts)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._took("word", "and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda fields: all(part(fields) for part in parts)

    def _one(self) -> Condition:
        if self._took("word", "not"):
            inner = self._one()
            return lambda fields: not inner(fields)
        if self._took("sign", "("):
            inner = self._either()
            if not self._took("sign", ")"):
                raise self._error(self._place(), 'expected ")"')
            return inner
        name = self._take("word", "a name")
        _check(name, self._known)
        place = self._place()
        sign = self._take("sign", "a comparison such as < or =")
        kind, value = self._value()
        return self._comparison(name, sign, kind, value, place)

    def _comparison(self, name: str, sign: str, kind: str, value: str, place: int) -> Condition:
        if sign in ("~", "!~"):
            wanted = value.lower()
            return lambda fields: name in fields and (wanted in str(fields[name]).lower()) == (sign == "~")
        if sign not in _NUMERIC:
            raise self._error(place, "expected a comparison: < <= > >= = != ~ !~")
        compare = _NUMERIC[sign]
        if kind == "number":
            number = float(value)
            return lambda fields: isinstance(found := fields.get(name), int | float) and bool(compare(found, number))
        if sign not in ("=", "==", "!="):
            return lambda fields: isinstance(found := fields.get(name), str) and bool(compare(found, value))
        return lambda fields: name in fields and bool(compare(str(fields[name]), value))

    def _value(self) -> tuple[str, str]:
        if self._next < len(self._tokens):
            kind, value, _ = self._tokens[self._next]
            if kind in ("number", "text", "word"):
                self._next += 1
                return (kind, value[1:-1]) if kind == "text" else (kind, value)
        raise self._error(self._place(), "expected a number or a word")

    def _took(self, kind: str, value: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next][:2] == (kind, value):
            self._next += 1
            return True
        return False

    def _take(self, kind: str, expected: str) -> str:
        if self._next == len(self._tokens) or self._tokens[self._next][0] != kind:
            raise self._error(self._place(), f"expected {expected}")
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _place(self) -> int:
        return self._tokens[self._next][2] if self._next < len(self._tokens) else len(self._text)

    def _error(self, place: int, why: str) -> ConfigError:
        rest = self._text[place:].strip()
        return ConfigError(f"{why} {f'at {rest!r}' if rest else 'at the end'} of the condition {self._text!r}")


def _check(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
        raise ConfigError(f"no trial has {name}; {hint}")
