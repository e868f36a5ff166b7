"""When two changes are one, and when a change changes nothing that matters.

`digest` is exact for two proposals on one base. `normalised` needs no base and is blind to places: the same lines
changed elsewhere in the file count as the same.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping

from autogit.patch.hunk import FilePatch, Kind, Sign
from autogit.patch.parse import parse

SEED = re.compile(r"(^|_)(seed|seeds|random_state)$", re.IGNORECASE)
"""Names that hold a seed."""
SEEDING = frozenset(
    {"manual_seed", "manual_seed_all", "seed", "set_seed", "seed_everything", "default_rng", "RandomState"}
)
"""Functions whose arguments are one."""
_SEED_LINE = re.compile(r"""((?:^|[\s_"'-])(?:seeds?|random_state)["']?\s*[:=]\s*)-?\d+""", re.IGNORECASE)


def digest(changes: Mapping[str, bytes | None]) -> str:
    """A name (16 hexadecimal digits) that two landed proposals on one base share exactly if they make the same files,
    trailing blanks and final newlines aside."""
    whole = hashlib.sha256()
    for path, data in sorted(changes.items()):
        lines = [] if data is None else [line.rstrip() for line in data.rstrip().split(b"\n")]
        whole.update(b"%s\0%d\0%s\0" % (path.encode(), data is None, b"\n".join(lines)))
    return whole.hexdigest()[:16]


def normalised(diff: str) -> str:
    """What a diff removes and adds, file by file, whatever its numbers, context, order and trailing blanks.

    Lines that are both removed and added cancel. Raises PatchError for text that is no diff.
    """
    return "".join(sorted(_normalised(patch) for patch in parse(diff)))


def _normalised(patch: FilePatch) -> str:
    sides = {Sign.REMOVED: Counter[str](), Sign.ADDED: Counter[str]()}
    for hunk in patch.hunks:
        for line in hunk.changed:
            sides[line.sign][line.text.rstrip()] += 1
    removed, added = sides[Sign.REMOVED], sides[Sign.ADDED]
    kind = "" if patch.kind is Kind.MODIFY else f" ({patch.kind})"
    gone = "".join(f"-{text}\n" for text in sorted((removed - added).elements()))
    come = "".join(f"+{text}\n" for text in sorted((added - removed).elements()))
    return f"{patch.name}{kind}\n{gone}{come}"


def same_program(before: bytes, after: bytes) -> bool:
    """Whether two Python files differ in comments, layout and docstrings at most; False where one does not parse."""
    return _same(before, after, _bare)


def only_seed(before: bytes, after: bytes, path: str) -> bool:
    """Whether two versions of a file are different programs, but the same once their seeds are equal.

    A heuristic. In Python: numbers that are assigned or passed to a name that ends in `seed`, that are arguments of a
    function that sets one, or defaults of a `--seed` option. In other files: whole numbers after a key of that name.
    """
    if not path.endswith(".py"):
        texts = [data.decode("utf-8", "replace") for data in (before, after)]
        return texts[0] != texts[1] and len({_SEED_LINE.sub(r"\g<1>0", text) for text in texts}) == 1
    return not same_program(before, after) and _same(before, after, lambda tree: _Unseed().visit(_bare(tree)))


def without_effect(before: Mapping[str, bytes | None], changes: Mapping[str, bytes | None]) -> str:
    """Why a landed change is no experiment ("changes only comments", "changes only the seed"); empty where it is one.

    `before` holds the base content of every changed path (None where it is new).
    """
    pairs = [(path, before[path], after) for path, after in changes.items()]
    if any(old is None or new is None for _, old, new in pairs):
        return ""
    known = [(path, old, new) for path, old, new in pairs if old is not None and new is not None]
    idle = [path.endswith(".py") and same_program(old, new) for path, old, new in known]
    if all(idle):
        return "changes only comments, docstrings or layout"
    rest = [triple for triple, same in zip(known, idle, strict=True) if not same]
    return "changes only the seed" if all(only_seed(old, new, path) for path, old, new in rest) else ""


def _same(before: bytes, after: bytes, change: Callable[[ast.AST], ast.AST]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(change(ast.parse(before))) == ast.dump(change(ast.parse(after)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _bare(tree: ast.AST) -> ast.AST:
    """Without docstrings, and without `pass` where that leaves or finds nothing else."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
            node.body = [statement for statement in node.body if not isinstance(statement, ast.Pass)]
    return tree


class _Unseed(ast.NodeTransformer):
    """Sets every number that is a seed to nought."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(_is_seed(target) for target in node.targets):
            node.value = _unseeded(node.value)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value and _is_seed(node.target):
            node.value = _unseeded(node.value)
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        positional = [*node.posonlyargs, *node.args]
        first = len(positional) - len(node.defaults)
        node.defaults = [
            _unseeded(default) if SEED.search(arg.arg) else default
            for arg, default in zip(positional[first:], node.defaults, strict=True)
        ]
        node.kw_defaults = [
            _unseeded(default) if default and SEED.search(arg.arg) else default
            for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)
        ]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        option = name == "add_argument" and any(
            isinstance(arg, ast.Constant) and SEED.search(str(arg.value).lstrip("-").replace("-", "_"))
            for arg in node.args
        )
        if name in SEEDING:
            node.args = [_unseeded(arg) for arg in node.args]
        for keyword in node.keywords:
            if (option and keyword.arg == "default") or SEED.search(keyword.arg or ""):
                keyword.value = _unseeded(keyword.value)
        return self.generic_visit(node)


def _is_seed(target: ast.AST) -> bool:
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return bool(SEED.search(name))


def _unseeded(value: ast.expr) -> ast.expr:
    plain = isinstance(value, ast.Constant) and type(value.value) is int
    return ast.Constant(0) if plain else value
