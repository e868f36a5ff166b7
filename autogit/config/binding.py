"""Binds a TOML table to a frozen dataclass and explains, in one sentence, what does not fit."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from autogit.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that a key may hold, both ends included unless `above` is used."""

    least: float | None = None
    most: float | None = None
    above: float | None = None

    def allow(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"of at least {self.least:g}"
        if self.most is not None:
            return f"of at most {self.most:g}"
        return "" if self.above is None else f"above {self.above:g}"


def bind(cls: type[T], table: Mapping[str, Any], where: str, source: str) -> T:
    """An instance of `cls` from `table`; `where` is the table's dotted name, `source` the file's name.

    Raises ConfigError for an unknown key (with the nearest known one), a wrong type or a value out of bounds.
    A class that takes its table in another form than field by field has a classmethod `from_toml`.
    """
    hints = get_type_hints(cls, include_extras=True)
    known = {f.name: hints[f.name] for f in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise ConfigError(_unknown(source, where, key, table[key], known))
    values = {key: _convert(known[key], value, _join(where, key), source) for key, value in table.items()}
    try:
        return cls(**values)
    except TypeError as error:
        missing = [name for name in known if f"'{name}'" in str(error)]
        names = ", ".join(_join(where, name) for name in missing)
        raise ConfigError(f"{source}: {names} is missing; add it (docs/configuration.md shows an example)") from None


def wrong(source: str, key: str, value: object, allowed: str) -> ConfigError:
    """The one form of "this value cannot be": file, key, value found, what is allowed."""
    return ConfigError(f"{source}: {key} = {_show(value)}: expected {allowed}")


def _unknown(source: str, where: str, key: str, value: object, known: Mapping[str, Any]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1)
    hint = f'did you mean "{_join(where, nearest[0])}"? ' if nearest else ""
    place = f"[{where}]" if where else "the top level"
    # What somebody writes down as a key or a password is not repeated on a screen or in a log.
    shown = "..." if re.search("key|token|secret|password", key, re.IGNORECASE) else _show(value)
    return f"{source}: {_join(where, key)} = {shown}: unknown key; {hint}{place} takes {', '.join(known)}"


def _convert(kind: Any, value: Any, key: str, source: str) -> Any:
    bounds = None
    if get_origin(kind) is Annotated:
        kind, bounds = get_args(kind)[:2]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        # TOML has no null: `None` only ever stands for an absent key.
        (kind,) = (arm for arm in get_args(kind) if arm is not types.NoneType)
        return _convert(kind, value, key, source)
    if hasattr(kind, "from_toml"):
        return kind.from_toml(value, key, source)
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise wrong(source, key, value, f"a table [{key}]")
        return bind(kind, value, key, source)
    if origin is tuple:
        if isinstance(value, dict) and is_dataclass(get_args(kind)[0]):
            # `[llm]` is one of what `[[llm]]` lists.
            return (_convert(get_args(kind)[0], value, key, source),)
        if not isinstance(value, list):
            raise wrong(source, key, value, f"a list, such as {key.rpartition('.')[2]} = [{_show(value)}]")
        return tuple(_convert(get_args(kind)[0], item, f"{key}[{i}]", source) for i, item in enumerate(value))
    if origin in (dict, Mapping) or origin is types.MappingProxyType or kind is dict:
        if not isinstance(value, dict):
            raise wrong(source, key, value, f"a table [{key}]")
        return {name: _convert(get_args(kind)[1], item, _join(key, name), source) for name, item in value.items()}
    return _scalar(kind, bounds, value, key, source)


def _scalar(kind: Any, bounds: Bounds | None, value: Any, key: str, source: str) -> Any:
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            raise wrong(source, key, value, "one of " + ", ".join(map(_show, choices)) + _nearest(value, choices))
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        names = [member.value for member in kind]
        if value not in names:
            raise wrong(source, key, value, "one of " + ", ".join(map(_show, names)) + _nearest(value, names))
        return kind(value)
    name = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}[kind]
    limits = f" {bounds}" if bounds else ""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (bounds and not bounds.allow(value)) or value != value:
        raise wrong(source, key, value, name + limits)
    return value


def _nearest(value: object, choices: list[Any]) -> str:
    close = difflib.get_close_matches(str(value), map(str, choices), n=1)
    return f" (did you mean {_show(close[0])}?)" if close else ""


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
