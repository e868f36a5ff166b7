"""Checks that changed code uses only names that there are: the file's own, its imports' and the change's."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping

_LIBRARY = frozenset(
    [
        "shape",
        "dtype",
        "device",
        "grad",
        "data",
        "T",
        "mT",
        "ndim",
        "weight",
        "bias",
        "training",
        "param_groups",
        "state",
        "requires_grad",
        "in_features",
        "out_features",
        "normalized_shape",
        "eps",
    ]
)
"""Data attributes of PyTorch's tensors, modules and optimizers, which no file defines."""
_MODULE = frozenset(
    [
        "training",
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "apply",
        "train",
        "eval",
        "register_buffer",
        "register_parameter",
        "state_dict",
        "load_state_dict",
        "to",
    ]
)
"""What every `nn.Module` has."""


def missing_name(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The first name that the changed files of `after` use and nothing gives a value; empty if there is none.

    `before` holds all files as they are. What these use without a visible definition is taken for granted; a method is,
    too, unless it is the own class's. Raises SyntaxError if a changed file does not parse.
    """
    trees = {path: tree for path, text in before.items() if (tree := _parsed(text)) is not None}
    defined = _identifiers([*trees.values(), *(ast.parse(text) for text in after.values())], loads=False)
    known = _identifiers(trees.values(), loads=True) | defined
    for path, text in after.items():
        old = trees.get(path) or ast.Module([], [])
        new = ast.parse(text)
        for name in (
            *sorted(_unbound(text) - _unbound(before.get(path, ""))),
            *_own_attributes(old, new, [*trees.values()]),
            *_attributes(old, new, known),
            *_parts_of_names(old, new, known),
        ):
            return name
    return ""


def bound_by_imports(text: str) -> dict[str, str]:
    """What the import statements of a file give names to: `{"F": "torch.nn.functional"}`."""
    found: dict[str, str] = {}
    tree = _parsed(text)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module or '.'}.{alias.name}"
    return found


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _unbound(text: str) -> set[str]:
    """Global names that a file reads and never gives a value."""
    try:
        top = symtable.symtable(text, "file.py", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return set()
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    read = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    stack = list(top.get_children())
    while stack:
        table = stack.pop()
        stack.extend(table.get_children())
        for symbol in table.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
            elif symbol.is_global() and symbol.is_referenced():
                read.add(symbol.get_name())
    return read - bound - set(dir(builtins)) - {"__file__", "__name__", "__doc__"}


def _identifiers(trees: Iterable[ast.AST], loads: bool) -> set[str]:
    """Returns the names that are given to attributes, fields, arguments, keys and options; `loads`: those read, too."""
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Attribute(attr=name, ctx=context) if loads or isinstance(context, ast.Store):
                found.add(name)
            case ast.Name(id=name) if loads or isinstance(node.ctx, ast.Store):
                found.add(name)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Constant(value=str(text)) if len(text) < 80:
                # An option ("--n-layer"), a key, a name given to `add_module`.
                found.add(text.lstrip("-").replace("-", "_"))
            case _:
                pass
    return found


def _classes(tree: ast.AST) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _own_attributes(old: ast.AST, new: ast.AST, everything: list[ast.Module]) -> Iterator[str]:
    """Attributes of `self` that a class reads now and did not before, and that neither it nor its bases have."""
    before = _classes(old)
    classes = {name: node for tree in [*everything, new] for name, node in _classes(tree).items()}
    elsewhere = {
        node.attr
        for tree in [*everything, new]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not _is_self(node.value)
    }
    for name, node in _classes(new).items():
        # A class that the change brings along is its own affair.
        if name not in before:
            continue
        has, todo, seen = _MODULE | elsewhere | _read_from_self(before[name]), [node], set[str]()
        while todo:
            each = todo.pop()
            seen.add(each.name)
            has = has | _members(each)
            bases = (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in each.bases)
            todo += [classes[base] for base in bases if base in classes and base not in seen]
        yield from (f"self.{attribute}" for attribute in sorted(_read_from_self(node) - has))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _read_from_self(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _is_self(node.value)
    }


def _members(node: ast.ClassDef) -> set[str]:
    """What a class gives its objects: methods, fields, attributes of `self`, registered buffers."""
    stored = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and _is_self(each.value)
    }
    fields = {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    fields |= {
        t.id for each in node.body if isinstance(each, ast.Assign) for t in each.targets if isinstance(t, ast.Name)
    }
    fields |= {
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    registered = {
        call.args[0].value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("register_buffer", "register_parameter", "add_module")
        and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }  # fmt: skip
    return stored | fields | registered


def _attributes(old: ast.AST, new: ast.AST, known: set[str]) -> Iterator[str]:
    """Attributes that are read now and were not before, and that no file and no library has."""
    called = {id(node.func) for node in ast.walk(new) if isinstance(node, ast.Call)}
    before = {ast.unparse(node) for node in ast.walk(old) if isinstance(node, ast.Attribute)}
    imported = set(bound_by_imports(ast.unparse(new)))
    for node in ast.walk(new):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load) or id(node) in called:
            continue
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        library = isinstance(root, ast.Name) and root.id in imported
        if not library and node.attr not in known | _LIBRARY and ast.unparse(node) not in before:
            yield ast.unparse(node)


def _parts_of_names(old: ast.AST, new: ast.AST, known: set[str]) -> Iterator[str]:
    """Parts of parameter names that the change asks for (`"blocks" in name`) and that nothing is called."""
    before = set(_asked_for(old))
    for text in _asked_for(new):
        if text not in before and any(word not in known | _LIBRARY for word in re.findall(r"[A-Za-z_]\w*", text)):
            yield repr(text)


def _asked_for(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=ast.Constant(value=str(text)), ops=[ast.In() | ast.NotIn()]):
                yield text
            case ast.Call(func=ast.Attribute(attr="endswith" | "startswith"), args=[ast.Constant(value=str(text))]):
                yield text
            case _:
                pass
