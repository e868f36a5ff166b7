"""What a script takes from outside: options, plain arguments, environment variables."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that is said on a script's command line."""

    flag: str
    """Empty for a plain argument, which is told by its place."""
    name: str
    required: bool


def options(tree: ast.AST) -> list[Option]:
    """What `add_argument`, `click.option` and `click.argument` declare; without any, the places of `sys.argv`."""
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr not in ("add_argument", "option", "argument"):
            continue
        names = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        keywords = {k.arg: k.value.value for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)}
        given = {k.arg for k in call.keywords}
        if not names:
            continue
        flag = next((n for n in names if n.startswith("--")), next((n for n in names if n.startswith("-")), ""))
        if flag:
            required = bool(keywords.get("required"))
        else:
            may_lack = "default" in given or keywords.get("nargs") in ("?", "*") or keywords.get("required") is False
            required = not may_lack
        found.append(Option(flag, (flag or names[0]).lstrip("-").replace("-", "_"), required))
    return found or list(_places(tree))


def environment(tree: ast.AST) -> Iterator[str]:
    """The environment variables that the code reads."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))):
                yield name


def _places(tree: ast.AST) -> Iterator[Option]:
    """`sys.argv[1]`, `sys.argv[2]`: under the name that it is assigned to, where it is; needed unless it is counted."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    counted = any(isinstance(c.func, ast.Name) and c.func.id == "len" and any(map(_is_argv, c.args)) for c in calls)
    names: dict[int, str] = {}
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        for inner in ast.walk(node.value) if isinstance(node, ast.Assign) else [node]:
            match inner:
                case ast.Subscript(value=of, slice=ast.Constant(value=int(place))) if place > 0 and _is_argv(of):
                    plain = f"sys.argv[{place}]"
                    name = target.id.lower() if isinstance(target, ast.Name) else plain
                    names[place] = name if names.get(place, plain) == plain else names[place]
    if names and not counted:
        yield from (Option("", names.get(place, f"sys.argv[{place}]"), True) for place in range(1, max(names) + 1))


def _is_argv(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "argv"
