"""The metrics that libraries print by themselves, where a script calls them: Keras, Transformers, Lightning."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def reported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of each metric, as the libraries' own output spells it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _modules(node)}
    for call in calls:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        match call.func:
            case ast.Attribute(attr="fit") if imported & {"keras", "tensorflow"}:
                if given.keys() & {"validation_data", "validation_split"}:
                    yield "val_loss", call.lineno
                    yield from ((f"val_{name}", call.lineno) for name in _compiled(calls))
            case ast.Attribute(attr="evaluate") if "transformers" in imported:
                yield "eval_loss", call.lineno
            case ast.Attribute(value=ast.Name(id="self"), attr="log") if call.args:
                shown = given.get("prog_bar")
                match call.args[0], shown:
                    case ast.Constant(value=str(name)), ast.Constant(value=True):
                        yield name, call.lineno


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _compiled(calls: list[ast.Call]) -> Iterator[str]:
    """The names that Keras's `compile(metrics=[...])` lists."""
    for call in calls:
        for keyword in call.keywords if isinstance(call.func, ast.Attribute) and call.func.attr == "compile" else ():
            if keyword.arg == "metrics":
                for node in ast.walk(keyword.value):
                    match node:
                        case ast.Constant(value=str(name)):
                            yield name
