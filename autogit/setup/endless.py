"""Whether a script may train for ever, as far as its code tells."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping

from autogit.setup.imports import Closure
from autogit.setup.options import Option, defaults
from autogit.setup.surroundings import parsed

STEPS = (
    "max_steps", "max_iters", "num_steps", "n_steps", "max_iterations", "num_iterations", "iterations", "iters",
    "steps", "total_timesteps", "total_steps", "train_steps", "max_train_steps", "num_iters", "max_iter", "epochs",
    "num_epochs", "n_epochs", "max_epochs", "num_train_epochs", "max_episodes", "num_episodes", "episodes",
)  # fmt: skip
"""Names of what bounds a training."""
_BOUND = re.compile(r"step|iter|epoch|episode|updates?|budget|deadline|elapsed|time|tokens|rounds|frames|limit|max")
_WORKS = re.compile(r"\.backward\(|\.step\(|optim|\.fit\(|\.update\(|train|loss|reward|sleep\(")


def endless(made_of: Closure, texts: Mapping[str, str]) -> str:
    """Why a script may never end, in words with the place; "" if its loops have an end."""
    known = defaults(made_of.python, texts)
    for path in made_of.python:
        tree = parsed(texts.get(path, ""))
        for loop in _outer(tree) if tree is not None else ():
            why = _unbounded(loop, known) if _WORKS.search(_source(texts[path], loop)) else ""
            if why:
                return f"{path}:{loop.lineno}: {why}"
    return ""


def bound(found: Mapping[str, Option]) -> Option | None:
    """The option that says how long a script trains."""
    return next((found[name] for name in STEPS if name in found and found[name].flag), None)


def _outer(tree: ast.AST) -> Iterator[ast.For | ast.While]:
    """Loops that are in no other loop of their function; not those of a generator."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node)
        ):
            continue
        if isinstance(node, ast.For | ast.While):
            yield node
        else:
            yield from _outer(node)


def _unbounded(loop: ast.For | ast.While, known: Mapping[str, object]) -> str:
    if isinstance(loop, ast.For):
        if not _counts_for_ever(loop.iter, known):
            return ""
    elif not _always(loop.test, known):
        return ""
    ends = list(_ends(loop, ()))
    if not ends:
        return "this loop has no end"
    tests = [test for tests in ends for test in tests[-1:]]
    bounds = [test for test in tests if any(_BOUND.search(name) for name in _names(test))]
    if any(not _off(test, known) for test in bounds) or len(tests) < len(ends):
        return ""
    if bounds:
        name = next(n for n in _names(bounds[0]) if _is_off(known.get(n, ...)))
        return f"this loop ends at {name}, which is {known[name]}"
    return f"this loop ends only if {ast.unparse(tests[0])}"


def _counts_for_ever(node: ast.expr, known: Mapping[str, object]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )
    if called in ("tqdm", "trange", "enumerate") and node.args:
        return _counts_for_ever(node.args[0], known)
    if called == "range" and node.args:
        last = node.args[min(1, len(node.args) - 1)]
        return _is_huge(last, known)
    return called in ("count", "cycle") or (called == "iter" and len(node.args) == 2)


def _is_huge(node: ast.expr, known: Mapping[str, object]) -> bool:
    text = ast.unparse(node)
    return bool(re.fullmatch(r"sys\.maxsize|int\((1e(9|\d\d)|float\('inf'\))\)|10 ?\*\* ?(9|\d\d)|\d{10,}", text))


def _always(test: ast.expr, known: Mapping[str, object]) -> bool:
    """Whether a `while` goes on whatever happens: True, or an end that is switched off."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Lt | ast.LtE):
        return _infinite(test.comparators[-1], known)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return any(re.search(r"solved|converged", name) for name in _names(test.operand))
    return False


def _infinite(node: ast.expr, known: Mapping[str, object]) -> bool:
    text = ast.unparse(node)
    value = known.get(text.rpartition(".")[2], ...)
    return text in ("math.inf", "np.inf", "float('inf')") or (isinstance(value, float) and math.isinf(value))


def _ends(node: ast.AST, tests: tuple[ast.expr, ...]) -> Iterator[tuple[ast.expr, ...]]:
    """The conditions around each way out of a loop."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Break | ast.Return | ast.Raise) or (
            isinstance(child, ast.Call) and ast.unparse(child.func) in ("sys.exit", "exit", "quit")
        ):
            yield tests
        elif isinstance(child, ast.If):
            yield from _ends(child, (*tests, child.test))
        elif isinstance(child, ast.For | ast.While):
            # What leaves an inner loop stays in this one, but for a return.
            if any(isinstance(n, ast.Return) for n in ast.walk(child)):
                yield ()
        elif not isinstance(child, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            yield from _ends(child, tests)


def _off(test: ast.expr, known: Mapping[str, object]) -> bool:
    """Whether a condition compares with a bound that is switched off: None, -1, infinite."""
    return any(_is_off(known.get(name, ...)) for name in _names(test))


def _is_off(value: object) -> bool:
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and (value < 0 or math.isinf(value))
    )


def _names(node: ast.expr) -> list[str]:
    names = [
        n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)
    ]
    return [n.lower() if n.isupper() else n for n in names]


def _source(text: str, node: ast.stmt) -> str:
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
