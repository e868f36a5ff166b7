"""Makes a pattern's edits on source files, by their syntax trees."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from autogit.config.patterns import Edit, Pattern
from autogit.propose.names import bound_by_imports, missing_name
from autogit.propose.reach import Reach, reach

if TYPE_CHECKING:
    from ast_grep_py import SgNode

NOTHING = "\0"


def rewrite(pattern: Pattern, files: Mapping[str, str], command: str = "") -> dict[str, str] | None:
    """The changed Python files, or None if no variant of the pattern applies to what the training `command` runs.

    A variant applies if each of its edits finds a place in code that runs, and what results uses only names that
    there are.
    """
    running = reach(files, command)
    sources = {path: text for path, text in files.items() if path in running.paths}
    if any(_finds(find, text) for text in sources.values() for find in pattern.unless):
        return None
    for edits in pattern.variants:
        changed = _variant(edits, sources, running)
        after = {path: _with_imports(text, pattern.needs) for path, text in (changed or {}).items()}
        if after and _sound(sources, after):
            return {path: text for path, text in after.items() if text is not None}
    return None


def _sound(sources: Mapping[str, str], after: Mapping[str, str | None]) -> bool:
    try:
        return not missing_name(sources, {path: text or "(" for path, text in after.items()})
    except (SyntaxError, ValueError, RecursionError):
        return False


def _variant(edits: tuple[Edit, ...], sources: Mapping[str, str], running: Reach) -> dict[str, str] | None:
    after: dict[str, str] = {}
    for edit in edits:
        texts = {**sources, **after}
        changed = {path: new for path, text in texts.items() if (new := _edited(edit, text, running)) != text}
        if not changed and not edit.optional:
            return None
        after |= dict([next(iter(changed.items()))]) if edit.first and changed else changed
    return after


def _edited(edit: Edit, text: str, running: Reach) -> str:
    """`text` with the edit made wherever it finds its place. Made from the end, so that places stay where they are."""
    nodes = sorted(_places(edit, text, running), key=lambda node: node.range().start.index)
    nodes = nodes[:1] if edit.first else _outermost(nodes)
    for node in reversed(nodes):
        place = node.range()
        head, new, tail = text[: place.start.index], _new(edit, node, text), text[place.end.index :]
        if not new:  # the statement goes with its line, and with the comment behind it
            head, tail = head.rstrip(" \t"), tail.partition("\n")[2]
        text = head + new + tail
    return text


def _places(edit: Edit, text: str, running: Reach) -> Iterator[SgNode]:
    root = _root(text)
    roots = root.find_all(pattern=edit.inside) if edit.inside else [root]
    dead = running.dead(text)
    for outer in roots:
        for node in outer.find_all(pattern=edit.find):
            line = node.range().start.line + 1
            if not any(first <= line <= last for first, last in dead):
                yield node


def _new(edit: Edit, node: SgNode, text: str) -> str:
    """What stands for `node` afterwards, in the indentation of its line."""
    line = text[: node.range().start.index].rpartition("\n")[2]
    indent = line[: len(line) - len(line.lstrip())]

    def placed(template: str) -> str:
        code = textwrap.dedent(_filled(template, node, text)).removeprefix("\n").removesuffix("\n")
        return textwrap.indent(code, indent).removeprefix(indent)

    lines = [placed(edit.before)] if edit.before else []
    lines.append(node.text() if edit.replace is None else placed(edit.replace))
    lines += [placed(edit.after)] if edit.after else []
    return f"\n{indent}".join(lines)


def _filled(template: str, node: SgNode, text: str) -> str:
    def several(match: re.Match[str]) -> str:
        found = node.get_multiple_matches(match[1])
        return text[found[0].range().start.index : found[-1].range().end.index] if found else NOTHING

    def one(match: re.Match[str]) -> str:
        found = node.get_match(match[1])
        return found.text() if found else ""

    filled = re.sub(r"\$\$\$([A-Z_]+)", several, template)
    filled = re.sub(r"\$([A-Z_]+)", one, filled)
    # Where `$$$REST` was empty, its comma goes too.
    return re.sub(rf",\s*{NOTHING}|{NOTHING}(,\s*)?", "", filled)


def _with_imports(text: str, needs: tuple[str, ...]) -> str | None:
    """`text` with the import statements that it lacks before its first import; None if a name means something else."""
    present = bound_by_imports(text)
    missing = []
    for statement in needs:
        names = bound_by_imports(statement)
        if any(present.get(name, origin) != origin for name, origin in names.items()):
            return None
        if not names.items() <= present.items():
            missing.append(statement)
    first = re.search(r"^(?:import|from) (?!__future__).*$", text, re.MULTILINE)
    if not missing:
        return text
    if first is None:
        return None
    return text[: first.start()] + "".join(f"{statement}\n" for statement in missing) + text[first.start() :]


def _finds(find: str, text: str) -> bool:
    return _root(text).find(pattern=find) is not None


def _root(text: str) -> SgNode:
    from ast_grep_py import SgRoot

    return SgRoot(text, "python").root()


def _outermost(nodes: list[SgNode]) -> list[SgNode]:
    """Without those that lie within another: an edit of the outer one takes the inner one along."""
    kept: list[SgNode] = []
    for node in nodes:
        if not kept or node.range().start.index >= kept[-1].range().end.index:
            kept.append(node)
    return kept
