"""Makes a pattern's edits on source files, by their syntax trees."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from autogit.config.patterns import Edit, Pattern

if TYPE_CHECKING:
    from ast_grep_py import SgNode

NOTHING = "\0"


def rewrite(pattern: Pattern, files: Mapping[str, str]) -> dict[str, str] | None:
    """The changed Python files, or None where no variant of the pattern applies to `files`."""
    sources = {path: text for path, text in files.items() if path.endswith(".py")}
    if any(_finds(find, text) for text in sources.values() for find in pattern.unless):
        return None
    for edits in pattern.variants:
        after = _variant(edits, sources)
        if after:
            return {path: _with_imports(text, pattern.needs) for path, text in after.items()}
    return None


def _variant(edits: tuple[Edit, ...], sources: Mapping[str, str]) -> dict[str, str] | None:
    after: dict[str, str] = {}
    for edit in edits:
        changed = {path: new for path, text in {**sources, **after}.items() if (new := _edited(edit, text)) != text}
        if not changed and not edit.optional:
            return None
        after |= dict([next(iter(changed.items()))]) if edit.first and changed else changed
    return after


def _edited(edit: Edit, text: str) -> str:
    """`text` with the edit made wherever it finds its place. Made from the end, so that places stay where they are."""
    nodes = sorted(_places(edit, text), key=lambda node: node.range().start.index)
    nodes = nodes[:1] if edit.first else _outermost(nodes)
    for node in reversed(nodes):
        place = node.range()
        head, new, tail = text[: place.start.index], _new(edit, node, text), text[place.end.index :]
        if not new:  # the statement goes with its line, and with the comment behind it
            head, tail = head.rstrip(" \t"), tail.partition("\n")[2]
        text = head + new + tail
    return text


def _places(edit: Edit, text: str) -> Iterator[SgNode]:
    root = _root(text)
    roots = root.find_all(pattern=edit.inside) if edit.inside else [root]
    for outer in roots:
        yield from outer.find_all(pattern=edit.find)


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


def _with_imports(text: str, needs: tuple[str, ...]) -> str:
    """`text` with the missing import statements after its first import."""
    missing = [statement for statement in needs if not re.search(rf"^{re.escape(statement)}\s*$", text, re.MULTILINE)]
    first = re.search(r"^(?:import|from) (?!__future__).*$", text, re.MULTILINE)
    if not missing or first is None:
        return text
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
