"""The hyperparameter space: named domains and the constraints between them."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autogit.config.binding import wrong
from autogit.errors import ConfigError
from autogit.records import Value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the listed values."""

    values: tuple[Value, ...]
    file: str = ""
    """The file that holds the parameter, where its name alone is ambiguous."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` to `high`, both included; `integer` when both ends are whole numbers in the file."""

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None
    file: str = ""


Domain = Choice | Range


@dataclass(frozen=True, slots=True)
class Space:
    """`[space]`: each key a parameter as the code spells it (`learning_rate`, or `optimizer.lr` in a YAML file)."""

    parameters: Mapping[str, Domain] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    """Expressions over parameter names that must hold, such as `"n_embd % n_head == 0"`."""
    discover: bool | None = None
    """Also search constants in the code that nobody declared, in ranges around their present values.

    If nothing is said: only if no parameter is declared.
    """

    @property
    def discovers(self) -> bool:
        """Whether constants that nobody declared are searched."""
        return not self.parameters if self.discover is None else self.discover

    @classmethod
    def from_toml(cls, table: Any, key: str, source: str) -> Space:
        if not isinstance(table, dict):
            raise wrong(source, key, table, f"a table [{key}]")
        reserved = {"constraints", "discover"}
        constraints = table.get("constraints", [])
        if not isinstance(constraints, list) or not all(isinstance(c, str) for c in constraints):
            raise wrong(
                source, f"{key}.constraints", constraints, 'a list of expressions, such as ["n_embd % n_head == 0"]'
            )
        for expression in constraints:
            _check_expression(expression, f"{key}.constraints", source)
        if not isinstance(table.get("discover", False), bool):
            raise wrong(source, f"{key}.discover", table["discover"], "true or false")
        return cls(
            {name: _domain(value, f"{key}.{name}", source) for name, value in table.items() if name not in reserved},
            tuple(constraints),
            table.get("discover"),
        )

    def allows(self, values: Mapping[str, Value]) -> bool:
        """Whether every constraint whose names are all known holds for `values`."""
        return all(_holds(expression, values) for expression in self.constraints)


def _domain(value: Any, key: str, source: str) -> Domain:
    allowed = "a list of values, or { low = ..., high = ... } with log = true, step or file where needed"
    if isinstance(value, list):
        return Choice(_values(value, key, source))
    if not isinstance(value, dict):
        raise wrong(source, key, value, allowed)
    file = value.get("file", "")
    if not isinstance(file, str):
        raise wrong(source, f"{key}.file", file, "a path in the workspace")
    if "values" in value:
        _only(value, {"values", "file"}, key, source)
        return Choice(_values(value["values"], key, source), file)
    _only(value, {"low", "high", "log", "step", "file"}, key, source)
    low, high, log, step = value.get("low"), value.get("high"), value.get("log", False), value.get("step")
    for name, number in (("low", low), ("high", high)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise wrong(source, f"{key}.{name}", number, "a number")
    assert low is not None and high is not None
    if not low < high:
        raise wrong(source, f"{key}.high", high, f"a number above low = {low}")
    if not isinstance(log, bool):
        raise wrong(source, f"{key}.log", log, "true or false")
    if log and low <= 0:
        raise wrong(source, f"{key}.low", low, "a number above 0, since log = true")
    if step is not None and (isinstance(step, bool) or not isinstance(step, int | float) or step <= 0):
        raise wrong(source, f"{key}.step", step, "a number above 0")
    integer = isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int))
    return Range(low, high, log, integer, step, file)


def _values(items: Any, key: str, source: str) -> tuple[Value, ...]:
    if not isinstance(items, list) or len(items) < 2:
        raise wrong(source, key, items, "a list of at least two values")
    return tuple(tuple(item) if isinstance(item, list) else item for item in items)


def _only(table: Mapping[str, Any], known: set[str], key: str, source: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"{source}: {key}.{name}: unknown key; a parameter takes {', '.join(sorted(known))}")


_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.BinOp, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Name,
    ast.Load, ast.Constant, ast.operator, ast.cmpop,
)  # fmt: skip


def _check_expression(expression: str, key: str, source: str) -> None:
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        raise wrong(source, key, expression, "a Python expression over parameter names") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise wrong(source, key, expression, "names, numbers, arithmetic and comparisons only")


def _holds(expression: str, values: Mapping[str, Value]) -> bool:
    names = {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
    if not names <= values.keys():
        return True
    try:
        # The grammar was checked when the configuration was read: no calls, no attributes.
        return bool(eval(expression, {"__builtins__": {}}, dict(values)))
    except (ArithmeticError, TypeError):
        return False
