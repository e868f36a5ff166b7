"""Tells which code the training command runs, as far as that can be read: a change elsewhere changes nothing."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

_OPTION_HOLDERS = frozenset(
    ["args", "opt", "opts", "options", "config", "cfg", "conf", "flags", "FLAGS", "hparams", "params"]
)
"""What people call that which `parse_args` returns, wherever it is passed on to."""
_DYNAMIC = re.compile(r"\bimportlib\b|__import__|_target_|\bentry_points\b|\bglobals\(\)\[|\bgetattr\(\w+, \w")
"""Code that finds other code by its name: what it reaches cannot be read."""


@dataclass(frozen=True)
class Reach:
    """What of the files runs."""

    paths: frozenset[str]
    used: frozenset[str] | None
    """Every name that is read somewhere; a function that nothing names does not run. None if that cannot be told."""
    options: Mapping[str, object]
    """Values of command-line options, if they are known."""

    def dead(self, text: str) -> tuple[tuple[int, int], ...]:
        """The lines (from, to, both from 1 and included) of a file that never run."""
        tree = _tree(text)
        return tuple(self._dead(tree, text)) if tree is not None else ()

    def _dead(self, tree: ast.Module, text: str) -> Iterator[tuple[int, int]]:
        constants = {} if "exec(" in text else _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.If):
                value = self._truth(node.test, constants)
                body = [] if value is None else node.orelse if value else node.body
                if body:
                    yield body[0].lineno, body[-1].end_lineno or body[-1].lineno
            elif isinstance(node, ast.FunctionDef | ast.ClassDef) and self.used is not None:
                special = node.name.startswith("__") or node.decorator_list or node.name in _CALLED_BY_LIBRARIES
                if node.name not in self.used and not special:
                    yield node.lineno, node.end_lineno or node.lineno

    def _truth(self, test: ast.expr, constants: Mapping[str, object]) -> bool | None:
        """Whether a condition always holds (True), never does (False), or neither can be told (None)."""
        match test:
            case ast.BoolOp(op=op, values=values):
                parts = [self._truth(value, constants) for value in values]
                decisive = isinstance(op, ast.Or)
                if decisive in parts:
                    return decisive
                return None if None in parts else not decisive
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self._truth(operand, constants)
                return None if value is None else not value
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as op], comparators=[right]):
                known = [self._value(each, constants) for each in (left, right)]
                if None in known:
                    return None
                return (known[0] == known[1]) == isinstance(op, ast.Eq)
            case _:
                held = self._value(test, constants)
                return None if held is None else bool(held[0])

    def _value(self, node: ast.expr, constants: Mapping[str, object]) -> tuple[object] | None:
        match node:
            case ast.Constant(value=value):
                return (value,)
            case ast.Name(id=name) if name in constants and name not in self.options:
                return (constants[name],)
            case ast.Attribute(value=ast.Name(id=holder), attr=name) if holder in _OPTION_HOLDERS:
                return (self.options[name],) if name in self.options else None
        return None


_CALLED_BY_LIBRARIES = frozenset(
    [
        "forward",
        "main",
        "training_step",
        "validation_step",
        "test_step",
        "configure_optimizers",
        "setup",
        "extra_repr",
        "step",
        "closure",
    ]
)


def reach(files: Mapping[str, str], command: str) -> Reach:
    """What of `files` (path -> text) the training `command` runs; all of it if its script is not among them."""
    return _reach(tuple(sorted((path, text) for path, text in files.items() if path.endswith(".py"))), command)


@lru_cache(maxsize=64)
def _reach(files: tuple[tuple[str, str], ...], command: str) -> Reach:
    sources = dict(files)
    scripts = [path for path in sources if _named(path, command)]
    if not scripts:
        return Reach(frozenset(sources), None, {})
    found, todo = set[str](), scripts
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        if _DYNAMIC.search(sources[path]):
            return Reach(frozenset(sources), None, _options(sources, command))
        todo += [other for module in _imports(sources[path]) for other in sources if _answers(other, module)]
    return Reach(frozenset(found), _names(sources[path] for path in found), _options(sources, command))


def _named(path: str, command: str) -> bool:
    """Whether the command names the file: as a path, or as a module after `-m`."""
    spellings = {path, PurePosixPath(path).name, path.removesuffix(".py").replace("/", ".")}
    return any(re.search(rf"(?<![\w.-]){re.escape(each)}(?![\w./-])", command) for each in spellings)


def _imports(text: str) -> Iterator[tuple[str, ...]]:
    """The modules that a file may import, as parts of their paths."""
    tree = _tree(text)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if module:
                yield module
            yield from ((*module, alias.name) for alias in node.names)
    # nanoGPT's way: exec(open("configurator.py").read())
    yield from ((name,) for name in re.findall(r"""open\(\s*["']([\w/]+)\.py["']""", text))


def _answers(path: str, module: tuple[str, ...]) -> bool:
    parts = tuple(path.removesuffix(".py").removesuffix("/__init__").split("/"))
    return parts[-len(module) :] == module


def _names(texts: Iterator[str]) -> frozenset[str]:
    found: set[str] = set()
    for text in texts:
        tree = _tree(text)
        for node in ast.walk(tree) if tree is not None else ():
            match node:
                case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                    found.add(name)
                case ast.ImportFrom(names=aliases):
                    # Importing is not using; under another name it is, for all that is known.
                    found |= {alias.name for alias in aliases if alias.asname}
                case ast.Constant(value=str(word)) if word.isidentifier():
                    found.add(word)
                case _:
                    pass
    return frozenset(found)


def _constants(tree: ast.Module) -> dict[str, object]:
    """Names that a file gives one literal value at its top, and never another."""
    values: dict[str, object] = {}
    stores: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores[node.id] = stores.get(node.id, 0) + 1
        elif isinstance(node, ast.arg):
            stores[node.arg] = stores.get(node.arg, 0) + 2
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                values[name] = value
            case _:
                pass
    return {name: value for name, value in values.items() if stores[name] == 1}


def _options(sources: Mapping[str, str], command: str) -> dict[str, object]:
    """Options of argparse by name, with what the command gives them or else their defaults."""
    given = _given(command)
    found: dict[str, object] = {}
    changed: set[str] = set()
    for tree in (tree for text in sources.values() if (tree := _tree(text)) is not None):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                changed.add(node.attr)
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "add_argument":
                continue
            flags = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            long = next((flag for flag in flags if flag.startswith("--")), "")
            keywords = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
            name = str(keywords.get("dest") or long.lstrip("-").replace("-", "_"))
            action = keywords.get("action")
            passed = next((given[flag] for flag in flags if flag in given), None)
            if passed is not None and action is None:
                found[name] = passed
            elif action in ("store_true", "store_false"):
                found[name] = (action == "store_true") == (passed is not None)
            elif "default" in keywords and isinstance(keywords["default"], str | bool):
                found[name] = keywords["default"]
    return {name: value for name, value in found.items() if name and name not in changed}


def _given(command: str) -> dict[str, str]:
    """Flags of a command with their values; "" for one that has none."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    given: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("-"):
            flag, _, value = word.partition("=")
            given[flag] = value or ("" if following.startswith("-") else following)
    return given


@lru_cache(maxsize=256)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
