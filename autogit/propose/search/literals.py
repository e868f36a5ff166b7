"""Named literals in files, and how one is written: in the number style, quotes and brackets of what it replaces."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import PurePosixPath

from autogit.records import Scalar, Value


class Kind(IntEnum):
    """What a literal is for; the lower, the more surely it decides: a constant before a default that is overridden."""

    SETTING = 0
    """A constant at the top of a script, an entry of a configuration file, the default of a command-line option."""
    FIELD = 1
    """A field of a (data)class."""
    ENTRY = 2
    """An entry of a dict, an attribute that is set."""
    LOCAL = 3
    """A variable inside a function."""
    DEFAULT = 4
    """The default of a function's parameter."""
    ARGUMENT = 5
    """A keyword argument of a call."""


@dataclass(frozen=True, slots=True)
class Place:
    """One literal: `text[start:end]` of the file `path` reads as `value` (None if it says None or null)."""

    path: str
    name: tuple[str, ...]
    """Outermost first: `("GPTConfig", "n_embd")`, `("optimizer", "lr")`."""
    value: Value | None
    start: int
    end: int
    kind: Kind
    line: int
    """From 1."""

    def answers_to(self, name: str) -> bool:
        """Whether a parameter called `name` (dotted) may mean this place: it is named so, or its last parts are."""
        parts = tuple(name.split("."))
        return self.name[-len(parts) :] == parts

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def literal(value: Value, old: str, path: str) -> str:
    """`value` as text for the file `path`, in the style of `old`, the literal that stands there now."""
    yaml = PurePosixPath(path).suffix.lower() in (".yaml", ".yml")
    python = PurePosixPath(path).suffix.lower() == ".py"
    if isinstance(value, tuple):
        return _sequence(value, old, python, yaml)
    return _scalar(value, old, python, yaml)


def _sequence(items: tuple[Scalar, ...], old: str, python: bool, yaml: bool) -> str:
    if yaml and old.startswith("- "):
        indent = "\n" + " " * _indent_of_dashes(old)
        return indent.join(f"- {_scalar(item, '', python, yaml)}" for item in items)
    texts = [_scalar(item, _first_item(old), python, yaml) for item in items]
    if python and not old.startswith("["):
        inner = f"{texts[0]}," if len(texts) == 1 else ", ".join(texts)
        # A tuple without parentheses (`betas = 0.9, 0.95`) stays one.
        return f"({inner})" if old.startswith("(") or len(texts) == 1 else inner
    return f"[{', '.join(texts)}]"


def _scalar(value: Scalar, old: str, python: bool, yaml: bool) -> str:
    if isinstance(value, bool):
        text = str(value)
        return text if python or (yaml and old in ("True", "False")) else text.lower()
    if isinstance(value, int):
        return f"{value:_}" if "_" in old and not (old.startswith(("'", '"'))) else str(value)
    if isinstance(value, float):
        return number(value, old, yaml)
    return _string(value, old, python, yaml)


def number(value: float, old: str = "", yaml: bool = False) -> str:
    """The shortest text that reads as exactly `value`: `6e-4` where `old` was written so, else `0.0006`.

    YAML 1.1 takes `6e-4` for a word and `6.0e-04` for a number, so there the kind of `old` is kept.
    """
    if not math.isfinite(value):
        return repr(value)
    scientific = re.fullmatch(r"[-+]?(\d[\d_]*)?(\.\d*)?[eE][-+]?\d+", old) is not None
    decimal = format(Decimal(repr(value)), "f")
    decimal = decimal if "." in decimal else f"{decimal}.0"
    if yaml:
        if scientific and "." not in old:
            return _scientific(value)
        return decimal if len(decimal) <= 12 else _signed(value)
    if scientific and (value == 0 or not 0.01 <= abs(value) < 1000):
        return _scientific(value) if value else "0.0"
    return decimal if 1e-4 <= abs(value) < 1e16 or value == 0 else _scientific(value)


def _scientific(value: float) -> str:
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    mantissa = text[0] + (f".{text[1:]}" if text[1:] else "")
    return f"{'-' if sign else ''}{mantissa}e{exponent + len(text) - 1}"


def _signed(value: float) -> str:
    """With the point and the sign that YAML 1.1 asks of a number."""
    mantissa, exponent = _scientific(value).split("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+03d}"


def _string(value: str, old: str, python: bool, yaml: bool) -> str:
    if yaml and not old.startswith(("'", '"')):
        return (
            value
            if re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in _YAML_WORDS
            else json.dumps(value)
        )
    if python or (old.startswith("'") and "'" not in value and value.isprintable()):
        quote = "'" if old.startswith("'") else '"'
        if quote not in value and "\\" not in value and value.isprintable():
            return f"{quote}{value}{quote}"
    return repr(value) if python else json.dumps(value)


_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def _first_item(old: str) -> str:
    found = re.match(r"[(\[]?\s*([^,\])]*)", old)
    return found[1].strip() if found else ""


def _indent_of_dashes(old: str) -> int:
    found = re.search(r"\n( *)- ", old)
    return len(found[1]) if found else 0
