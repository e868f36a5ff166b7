"""Writes docs/commands.md and docs/configuration.md from the code: python docs/generate.py."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import typing
from pathlib import Path

import click

from autogit.cli import cli
from autogit.config import model as config
from autogit.config import patterns as pattern
from autogit.config import space

DOCS = Path(__file__).parent


def commands() -> str:
    """The help of every command."""
    parts = ["# Commands", "", "Made by `python docs/generate.py` from the commands' own help.", ""]
    parts += ["Exit codes: 0 done, 1 failed, 2 wrong usage (the configuration's too), 130 interrupted.", ""]
    settings = {**cli.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(cli, info_name="autogit", **settings)
    for name in sorted(cli.commands):
        command = cli.commands[name]
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
        parts += [f"## autogit {name}", "", "```text", command.get_help(inner), "```", ""]
    return "\n".join(parts)


def configuration() -> str:
    """Every key of `.autoresearch.toml`, with what its field says of itself."""
    parts = ["# Configuration", "", "Made by `python docs/generate.py` from the dataclasses. All keys live in"]
    parts += [
        "`.autoresearch.toml`, found by walking up from the current folder. Five lines are enough:",
        "",
        "```toml",
    ]
    parts += ["[train]", 'command = "python train.py --seed {seed}"', 'editable = ["train.py"]', "[metric]"]
    parts += ['name = "val_loss"', "```", ""]
    explained = {**_fields(config), **_fields(space), **_fields(pattern)}
    for name, table in _tables():
        parts += [f"## {name}", "", inspect.cleandoc(table.__doc__ or ""), ""]
        parts += ["| key | type | default | |", "| --- | --- | --- | --- |"]
        for field in dataclasses.fields(table):
            if (name, field.name) in NESTED:
                continue
            words = explained.get((table.__name__, field.name), "").replace("|", "\\|")
            parts.append(f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {words} |")
        parts.append("")
    return "\n".join(parts)


def _tables() -> list[tuple[str, type]]:
    hints = typing.get_type_hints(config.Config)
    found: list[tuple[str, type]] = [("Top level", config.Config)]
    for name, hint in hints.items():
        inner = [hint, *typing.get_args(hint)]
        table = next((t for t in inner if isinstance(t, type) and dataclasses.is_dataclass(t)), None)
        if table is not None:
            NESTED.add(("Top level", name))
            listed = f"[[{name}]]" if typing.get_origin(hint) is tuple else f"[{name}.NAME]"
            found.append((f"[{name}]" if hint is table else listed, table))
    return found


NESTED: set[tuple[str, str]] = set()


def _fields(module: object) -> dict[tuple[str, str], str]:
    """(class, field) -> the text under the field."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    found = {}
    for node in tree.body:
        for field, below in itertools.pairwise(node.body) if isinstance(node, ast.ClassDef) else ():
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                key = (node.name, ast.unparse(field.target))
                found[key] = " ".join(inspect.cleandoc(str(ast.literal_eval(below.value))).split())
    return found


def _type(annotation: object) -> str:
    names = {"Count": "whole number from 1", "Whole": "whole number from 0", "Positive": "number above 0"}
    names |= {"NotNegative": "number from 0", "Share": "number from 0 to 1", "str": "text", "bool": "true or false"}
    names |= {"float": "number", "int": "whole number", "Direction": '"min" or "max"'}
    text = str(annotation).removesuffix(" | None")
    if text.startswith("tuple["):
        return "list"
    if text.startswith("Literal["):
        return " or ".join(part.strip() for part in text[8:-1].split(","))
    if text.startswith(("Mapping", "dict")):
        return "table"
    return names.get(text, "number" if "Annotated" in text else text)


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
        if value is None or value == "" or value == ():
            return ""
        shown = list(value) if isinstance(value, tuple) else value
        return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"
    return "" if field.default_factory is not dataclasses.MISSING else "needed"


def pages() -> dict[str, str]:
    """File name -> text."""
    return {"commands.md": commands(), "configuration.md": configuration()}


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
