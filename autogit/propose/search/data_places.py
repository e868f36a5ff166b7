"""The named literals of YAML, JSON and TOML files, without a dumper: everything around a value stays as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from autogit.propose.search.literals import Kind, Place
from autogit.records import Scalar, Value


def data_places(path: str, text: str) -> tuple[Place, ...]:
    """Every scalar and flat list of scalars, by its dotted name; nothing for a file that does not parse."""
    if len(text) > _LONGEST:
        return ()
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return tuple(_yaml(path, text))
    load: Callable[[str], Any] = json.loads if suffix == ".json" else tomllib.loads
    try:
        data = load(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(sorted(_proven(path, text, data, load, suffix == ".json"), key=lambda place: place.start))


_LONGEST = 50_000
"""Characters. Beyond it a file holds data, not settings."""


# ---- YAML: its composer knows where each node begins and ends


def _yaml(path: str, text: str) -> Iterator[Place]:
    import yaml

    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    constructor = yaml.constructor.SafeConstructor()
    seen: set[int] = set()
    stack: list[tuple[Any, tuple[str, ...]]] = [(document, ()) for document in reversed(documents) if document]
    while stack:
        node, name = stack.pop()
        if id(node) in seen:
            # An alias: the value stands at its anchor.
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            children = [(child, (*name, str(key.value))) for key, child in node.value]
            stack.extend(reversed(children))
            continue
        if isinstance(node, yaml.SequenceNode):
            if not node.value or not all(isinstance(item, yaml.ScalarNode) for item in node.value):
                stack.extend(reversed([(item, (*name, str(i))) for i, item in enumerate(node.value)]))
                continue
            items = tuple(_yaml_scalar(constructor, item) for item in node.value)
            value: Value | None = tuple(item for item in items if item is not None)
            known = None not in items
            end = node.end_mark.index if node.flow_style else node.value[-1].end_mark.index
        else:
            value, end = _yaml_scalar(constructor, node), node.end_mark.index
            known = value is not None or (node.tag.endswith(":null") and node.end_mark.index > node.start_mark.index)
        if name and known:
            yield Place(path, name, value, node.start_mark.index, end, Kind.SETTING, node.start_mark.line + 1)


def _yaml_scalar(constructor: Any, node: Any) -> Scalar | None:
    if node.style in ("|", ">"):
        return None
    # `1e-4` is a word to YAML 1.1 and a number to the people who write it and to the code that reads it.
    if node.style is None and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", node.value):
        return float(node.value)
    try:
        value = constructor.construct_object(node)
    except (ValueError, KeyError):
        return None
    return value if isinstance(value, bool | int | float | str) else None


# ---- JSON and TOML: every place that looks right is tried, and kept if the parser agrees that exactly it changed


def _proven(path: str, text: str, data: Any, load: Callable[[str], Any], is_json: bool) -> Iterator[Place]:
    key = re.compile(
        r'"((?:[^"\\]|\\.)*)"\s*:\s*' if is_json else r'(?:^|(?<=[\s.,{]))(?:"([^"\n]*)"|([\w-]+))[ \t]*=[ \t]*', re.M
    )
    names: dict[str, list[tuple[tuple[str, ...], Value | None]]] = {}
    for name, value in _leaves(data, ()):
        names.setdefault(name[-1], []).append((name, value))
    for found in key.finditer(text):
        last = json.loads(f'"{found[1]}"') if is_json else (found[1] if found[1] is not None else found[2])
        value_text = _VALUE.match(text, found.end())
        if value_text is None or last not in names:
            continue
        start, end = value_text.span()
        probe = text[:start] + _PROBE + text[end:]
        try:
            changed = load(probe)
        except (ValueError, RecursionError):
            continue
        for name, value in names[last]:
            if _at(changed, name) == json.loads(_PROBE) and _without(changed, name) == _without(data, name):
                yield Place(path, name, value, start, end, Kind.SETTING, text.count("\n", 0, start) + 1)


_PROBE = '"autogit was here"'
_TEXT = r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'"
_SCALAR = rf"(?:{_TEXT}|[-+\w.]+)"
_VALUE = re.compile(rf"\[\s*{_SCALAR}(?:\s*,\s*{_SCALAR})*\s*,?\s*\]|{_SCALAR}")


def _leaves(data: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Value | None]]:
    if isinstance(data, dict):
        for key, child in data.items():
            yield from _leaves(child, (*name, key))
    elif isinstance(data, list) and not (data and all(isinstance(item, bool | int | float | str) for item in data)):
        for index, child in enumerate(data):
            yield from _leaves(child, (*name, str(index)))
    elif name and (data is None or isinstance(data, bool | int | float | str | list)):
        yield name, tuple(data) if isinstance(data, list) else data


def _at(data: Any, name: tuple[str, ...]) -> Any:
    for part in name:
        if isinstance(data, list):
            data = data[int(part)] if part.isdigit() and int(part) < len(data) else None
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def _without(data: Any, name: tuple[str, ...]) -> Any:
    if isinstance(data, dict):
        return {k: _without(v, name[1:]) if k == name[0] else v for k, v in data.items()} if name else None
    if isinstance(data, list) and name:
        return [_without(v, name[1:]) if str(i) == name[0] else v for i, v in enumerate(data)]
    return None if not name else data
