"""Where a literal value stands in a file, and how to write another one there without touching anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from autogit.propose.search.data_places import data_places
from autogit.propose.search.literals import Place, literal
from autogit.propose.search.python_places import python_places
from autogit.records import Value


@lru_cache(maxsize=4096)
def places(path: str, text: str) -> tuple[Place, ...]:
    """Every literal of a file that has a name, in order; nothing for files that do not parse or are not understood."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".py":
        return python_places(path, text)
    if suffix in (".yaml", ".yml", ".json", ".toml"):
        return data_places(path, text)
    return ()


def written(text: str, edits: Mapping[Place, Value]) -> str | None:
    """`text` with new values at some of its places, all else kept byte for byte.

    None if reading the result does not give back exactly these values and all others unchanged.
    """
    result = text
    for place in sorted(edits, key=lambda p: -p.start):
        old = text[place.start : place.end]
        result = result[: place.start] + literal(edits[place], old, place.path) + result[place.end :]
    (path,) = {place.path for place in edits}
    before, after = places(path, text), places(path, result)
    # Two names may share a literal (`--name` with another `dest`).
    new = {place.start: value for place, value in edits.items()}
    wanted = [new.get(place.start, place.value) for place in before]
    return result if [p.name for p in before] == [p.name for p in after] and _read(after) == _typed(wanted) else None


def _read(found: Sequence[Place]) -> list[object]:
    return _typed([place.value for place in found])


def _typed(values: Sequence[Value | None]) -> list[object]:
    """Values that compare as the code would tell them apart: True is not 1, nor 1 the same text as 1.0."""
    return [(type(value), value) if isinstance(value, bool | str) else value for value in values]
