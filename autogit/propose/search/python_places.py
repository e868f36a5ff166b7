"""The named literals of a Python file: constants, fields, defaults, options, entries, keyword arguments."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TypeGuard

from autogit.propose.search.literals import Kind, Place
from autogit.records import Scalar, Value


def python_places(path: str, text: str) -> tuple[Place, ...]:
    """Every named literal, in the order of the file; nothing if it does not parse."""
    mark = text.startswith("\ufeff")
    source = text[mark:]
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    offsets = _Offsets(source)
    found = []
    for name, node, kind in _named(tree.body, (), Kind.SETTING):
        known, value = folded(node)
        if known:
            start, end = offsets.span(node)
            found.append(Place(path, name, value, start + mark, end + mark, kind, node.lineno))
    return tuple(sorted(found, key=lambda place: (place.start, place.name)))


def folded(node: ast.expr) -> tuple[bool, Value | None]:
    """Whether an expression is a literal, arithmetic of literals (`2**19`, `4 * 64`) or a flat tuple; its value."""
    if isinstance(node, ast.Constant):
        return (node.value is None or isinstance(node.value, bool | int | float | str)), _constant(node)
    if isinstance(node, ast.Tuple | ast.List):
        items = [folded(item) for item in node.elts]
        scalars = tuple(value for known, value in items if known and isinstance(value, bool | int | float | str))
        return (len(scalars) == len(items) and bool(items)), scalars
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        known, value = folded(node.operand)
        if not known or not _number(value):
            return False, None
        return True, -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = folded(node.left)[1], folded(node.right)[1]
        # Bounded, so that no constant of a stranger's file takes hours to compute.
        if (
            _number(left)
            and _number(right)
            and abs(left) <= 2**40
            and abs(right) <= (2**40 if not _powers(node) else 64)
        ):
            try:
                result = _ARITHMETIC[type(node.op)](left, right)
            except (ArithmeticError, TypeError, ValueError):
                return False, None
            return isinstance(result, int | float), result
    return False, None


_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], Scalar]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.LShift: operator.lshift,
}  # fmt: skip


def _powers(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Pow | ast.LShift)


def _constant(node: ast.Constant) -> Scalar | None:
    return node.value if isinstance(node.value, bool | int | float | str) else None


def _number(value: Value | None) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


Named = tuple[tuple[str, ...], ast.expr, Kind]


def _named(body: list[ast.stmt], scope: tuple[str, ...], kind: Kind) -> Iterator[Named]:
    """What `body` gives names to; `kind` is that of a plain assignment in it."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = (*scope, statement.name)
                yield from _defaults(statement.args, inner)
                for decorator in statement.decorator_list:
                    yield from _inside(decorator, inner)
                yield from _named(statement.body, inner, Kind.LOCAL)
            case ast.ClassDef():
                yield from _named(statement.body, (*scope, statement.name), Kind.FIELD)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _assigned(target, value, scope, kind)
                yield from _inside(value, scope)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                yield from _assigned(target, value, scope, kind)
                yield from _inside(value, scope)
            case _:
                for name, child in ast.iter_fields(statement):
                    if name in ("body", "orelse", "finalbody") and isinstance(child, list):
                        yield from _named(child, scope, kind)
                    elif name in ("handlers", "cases") and isinstance(child, list):
                        for branch in child:
                            yield from _named(branch.body, scope, kind)
                    else:
                        for expression in child if isinstance(child, list) else [child]:
                            if isinstance(expression, ast.AST):
                                yield from _inside(expression, scope)


def _assigned(target: ast.expr, value: ast.expr, scope: tuple[str, ...], kind: Kind) -> Iterator[Named]:
    if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        if len(target.elts) == len(value.elts):
            for each, part in zip(target.elts, value.elts, strict=True):
                yield from _assigned(each, part, scope, kind)
        return
    name = _dotted(target)
    if name is None:
        return
    default = _default_argument(value)
    yield (*scope, *name), value if default is None else default, kind if len(name) == 1 else Kind.ENTRY
    if isinstance(value, ast.Dict):
        yield from _entries(value, (*scope, *name))


def _dotted(target: ast.expr) -> tuple[str, ...] | None:
    """`x`, `config.x` and `config["x"]` as names; None for what has none."""
    match target:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name) | ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
            outer = _dotted(value)
            return None if outer is None else (*outer, name)
    return None


def _entries(node: ast.Dict, scope: tuple[str, ...]) -> Iterator[Named]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield (*scope, key.value), value, Kind.ENTRY
            if isinstance(value, ast.Dict):
                yield from _entries(value, (*scope, key.value))


def _defaults(arguments: ast.arguments, scope: tuple[str, ...]) -> Iterator[Named]:
    positional = [*arguments.posonlyargs, *arguments.args]
    first = len(positional) - len(arguments.defaults)
    pairs = [*zip(positional[first:], arguments.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in pairs:
        inner = _default_argument(default)
        yield (*scope, argument.arg), default if inner is None else inner, Kind.DEFAULT
        yield from _inside(default, scope)


def _inside(node: ast.AST, scope: tuple[str, ...]) -> Iterator[Named]:
    """Options and keyword arguments in the calls of an expression, and the dicts in it that no name was given to."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        options = _options(call)
        default = _default_argument(call)
        if options and default is not None:
            for option in options:
                yield (*scope, option), default, Kind.SETTING
            continue
        called = (_dotted(call.func) or ("",))[-1:]
        for keyword in call.keywords:
            if keyword.arg is not None:
                kind = Kind.ENTRY if called == ("dict",) else Kind.ARGUMENT
                yield (*scope, *called, keyword.arg), keyword.value, kind
                if isinstance(keyword.value, ast.Dict):
                    yield from _entries(keyword.value, (*scope, *called, keyword.arg))
        for argument in call.args:
            if isinstance(argument, ast.Dict):
                yield from _entries(argument, (*scope, *called))


def _options(call: ast.Call) -> list[str]:
    """The names that `add_argument("-l", "--learning-rate", dest=...)`, `click.option` and their like give a value."""
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not any(text.startswith("--") for text in texts):
        return []
    chosen = [k.value.value for k in call.keywords if k.arg == "dest" and isinstance(k.value, ast.Constant)]
    names = [text.lstrip("-").split("/")[0].replace("-", "_") for text in texts if not re.match(r"-[^-]", text)]
    return list(dict.fromkeys([*(str(c) for c in chosen), *names]))


def _default_argument(node: ast.expr) -> ast.expr | None:
    """The `default=` of `field(default=...)`, `add_argument(..., default=...)`, `Option(default=...)`."""
    if not isinstance(node, ast.Call):
        return None
    return next((keyword.value for keyword in node.keywords if keyword.arg == "default"), None)


class _Offsets:
    """From the parser's lines and UTF-8 columns to character offsets."""

    def __init__(self, source: str) -> None:
        self._lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", source)
        self._starts = [0, *accumulate(map(len, self._lines))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        text = self._lines[line - 1]
        return self._starts[line - 1] + (
            column
            if text.isascii()
            else len(text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "surrogatepass"))
        )
