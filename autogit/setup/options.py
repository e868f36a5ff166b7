"""What a script takes from outside: options, plain arguments, overrides of settings, environment variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autogit.setup.surroundings import parsed


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that is said on a script's command line."""

    flag: str
    """As it is written; empty for a plain argument, which is told by its place."""
    name: str
    required: bool
    joint: str = " "
    """What stands between the flag and its value."""
    toggle: bool = False
    """Whether it takes no value."""
    default: object = ...
    """Its default, if the code says one."""
    aliases: tuple[str, ...] = ()
    """Its other spellings: `-o`."""

    def given(self, value: str) -> str:
        """The option with a value."""
        return f"{self.flag}{self.joint}{value}"


def options(tree: ast.Module, texts: Mapping[str, str], files: Sequence[str], main: bool = True) -> list[Option]:
    """What the module `tree` declares for the command line of a script that is made of `files` (keys of `texts`).

    Understands argparse, click, typer, fire, absl, dataclass parsers (tyro, HfArgumentParser), Hydra, LightningCLI and
    configurators that set constants by `--name=value`; without any, the places of `sys.argv`. `main`: the module is
    the script itself.
    """
    body = tree if main else ast.Module([n for n in tree.body if not _is_guard(n)], [])
    found = [*_declared(body), *_functions(body), *_fields(body)]
    if main:
        found += [*_hydra(body, texts, files), *_configurator(body, texts, files)]
        called = {_last(n.func) for n in ast.walk(body) if isinstance(n, ast.Call)}
        if "LightningCLI" in called:
            found.append(Option("--seed_everything", "seed_everything", False))
        return found or list(_places(tree))
    return found


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


def _declared(tree: ast.AST) -> Iterator[Option]:
    """`add_argument`, `click.option`, `click.argument`, and absl's `DEFINE_integer`."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        called = _last(call.func)
        names = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        keywords = {k.arg: k.value.value for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)}
        given = {k.arg for k in call.keywords}
        if called.startswith("DEFINE_") and names:
            default: object = (
                call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], ast.Constant) else ...
            )
            yield Option(f"--{names[0]}", names[0], False, "=", called == "DEFINE_bool", default)
            continue
        if called not in ("add_argument", "option", "argument", "Option") or not names:
            continue
        if called == "Option" and not names[0].startswith("-"):
            continue
        flag = next((n for n in names if n.startswith("--")), next((n for n in names if n.startswith("-")), ""))
        if flag:
            required = bool(keywords.get("required"))
        else:
            may_lack = (
                "default" in given or keywords.get("nargs") in ("?", "*", "...") or keywords.get("required") is False
            )
            may_lack = may_lack or any(k.arg == "nargs" and _last(k.value) == "REMAINDER" for k in call.keywords)
            required = not may_lack
        toggle = str(keywords.get("action", "")).startswith(("store_", "count")) or bool(keywords.get("is_flag"))
        default = next((_constant(k.value) for k in call.keywords if k.arg == "default"), ...)
        name, others = (flag or names[0]).lstrip("-").replace("-", "_"), tuple(n for n in names if n != flag)
        yield Option(flag.split("/")[0], name, required, " ", toggle, default, others if flag else ())


def _functions(tree: ast.Module) -> Iterator[Option]:
    """The parameters of a function that typer or fire makes a command of."""
    commands = set()
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        if _dotted(call.func) in ("typer.run", "fire.Fire", "Fire") and call.args:
            commands.add(_last(call.args[0]))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        typed = "typer" in imported and any(
            isinstance(d, ast.Call) and _last(d.func) == "command" for d in function.decorator_list
        )
        if function.name in commands or typed:
            arguments = [*function.args.posonlyargs, *function.args.args]
            values: list[ast.expr | None] = [
                *[None] * (len(arguments) - len(function.args.defaults)),
                *function.args.defaults,
            ]
            pairs = [
                *zip(arguments, values, strict=True),
                *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                flag = argument.arg if "fire" in imported else argument.arg.replace("_", "-")
                needed = default is None and "fire" not in imported
                yield Option(
                    "" if needed else f"--{flag}", argument.arg, default is None, " ", False, _constant(default)
                )


def _fields(tree: ast.Module) -> Iterator[Option]:
    """The fields of classes that tyro, HfArgumentParser and their like make options of."""
    parsers = ("cli", "HfArgumentParser", "add_arguments", "parse", "ArgumentParser", "CLI", "wrap", "parse_args")
    named = {
        word.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _last(call.func) in parsers
        for argument in (*call.args, *(k.value for k in call.keywords))
        for word in ast.walk(argument)
        if isinstance(word, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in named:
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    name = field.target.id
                    toggle = isinstance(field.annotation, ast.Name) and field.annotation.id == "bool"
                    yield Option(f"--{name}", name, field.value is None, " ", toggle, _constant(field.value))


def _hydra(tree: ast.Module, texts: Mapping[str, str], files: Sequence[str]) -> Iterator[Option]:
    """The top keys of the settings that `hydra.main` names, as overrides, and Hydra's own output folder."""
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        if _dotted(call.func) not in ("hydra.main", "main") or not any(k.arg == "config_name" for k in call.keywords):
            continue
        name = next(
            (k.value.value for k in call.keywords if k.arg == "config_name" and isinstance(k.value, ast.Constant)), ""
        )
        stem = str(name).removesuffix(".yaml")
        for path in files:
            if path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml") == stem:
                for key in re.findall(r"^([A-Za-z_]\w*):", texts.get(path, ""), re.MULTILINE):
                    if key not in ("defaults", "hydra"):
                        yield Option(key, key, False, "=")
        yield Option("hydra.run.dir", "hydra.run.dir", False, "=")


def _configurator(tree: ast.Module, texts: Mapping[str, str], files: Sequence[str]) -> Iterator[Option]:
    """Constants that the command line sets by their names: `globals()[key] = value`, and dotted ones of a tree."""
    together = "\n".join(texts[p] for p in files if p.endswith(".py") and p in texts)
    if "sys.argv" not in together and "argv" not in together:
        return
    if re.search(r"globals\(\)(\[|\.update)", together):
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name, value = node.targets[0].id, _constant(node.value)
                if value is not ...:
                    yield Option(f"--{name}", name, False, "=", False, value)
    if re.search(r"merge_from_args\(", together):
        for each in ast.walk(tree):
            if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Attribute):
                path = _dotted(each.targets[0]).partition(".")[2]
                if path.count(".") == 1 and _constant(each.value) is not ...:
                    yield Option(f"--{path}", path.rpartition(".")[2], False, "=", False, _constant(each.value))
    if re.search(r"merge_from_list\(\s*(args\.)?opts", together):
        for path in files:
            for key in re.findall(r"^_C\.([A-Z_.]*SEED) *=", texts.get(path, ""), re.MULTILINE):
                yield Option(key, "seed", False, " ")


def _places(tree: ast.AST) -> Iterator[Option]:
    """`sys.argv[1]`, `sys.argv[2]`: under the name that it is assigned to, if any; needed unless it is counted."""
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


def defaults(files: Sequence[str], texts: Mapping[str, str]) -> dict[str, object]:
    """The value that each name has in the code: an option's default, else that of a constant or a field."""
    found: dict[str, object] = {}
    for path in files:
        tree = parsed(texts.get(path, "")) if path.endswith(".py") else None
        for node in ast.walk(tree) if tree is not None else ():
            match node:
                case (
                    ast.Assign(targets=[target, *_], value=value)
                    | ast.AnnAssign(target=target, value=ast.expr() as value)
                ):
                    if isinstance(target, ast.Name | ast.Attribute) and _constant(value) is not ...:
                        found.setdefault(_last(target), _constant(value))
    for path in files:
        tree = parsed(texts.get(path, "")) if path.endswith(".py") else None
        for option in _declared(tree) if tree is not None else ():
            if option.default is not ...:
                found[option.name] = option.default
    return found


def _constant(node: ast.AST | None) -> object:
    """The value of a literal; ... for what is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, int | float) else ...
    if (
        isinstance(node, ast.Call)
        and _last(node.func) == "float"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        try:
            return float(str(node.args[0].value))
        except ValueError:
            return ...
    if isinstance(node, ast.Attribute) and node.attr == "inf":
        return float("inf")
    return node.value if isinstance(node, ast.Constant) else ...


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))


def _is_argv(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "argv"


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""
