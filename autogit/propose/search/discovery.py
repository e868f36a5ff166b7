"""Numbers in the code that nobody declared and that are worth searching, with ranges around their present values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autogit.config.ranges import by_value
from autogit.config.space import Domain, Space
from autogit.propose.search.parameters import find
from autogit.propose.search.places import Kind, Place, places

_MOST = 24
"""A search over more constants than this would not end; the first ones in the code are taken."""


def widened(space: Space, files: Mapping[str, str], command: str) -> Space:
    """`space` with what is discovered in the code, where it asks for that; declared parameters stay as they are."""
    if not space.discover:
        return space
    declared = find(space, files, command).parameters.values()
    taken = {(place.path, place.start) for parameter in declared for place in parameter.places}
    found: dict[str, Domain] = {}
    for path, text in files.items():
        for place in places(path, text):
            domain = None if (place.path, place.start) in taken else sensible(place)
            if domain is not None and place.name[-1] not in space.parameters:
                found.setdefault(place.name[-1], domain)
    candidate = Space(found)
    known = find(candidate, files, command)
    # A name with several values has no one place; a declared name goes before a discovered one.
    names = [n for n, p in known.parameters.items() if not taken & {(place.path, place.start) for place in p.places}]
    domains = {n: sensible(known.parameters[n].places[0]) for n in names}
    chosen = [(n, domain) for n, domain in domains.items() if domain is not None][:_MOST]
    return replace(space, parameters={**space.parameters, **dict(chosen)})


def sensible(place: Place) -> Domain | None:
    """Where to search around a constant, by its name and value; None for what is not worth it or not safe to change."""
    return by_value(place.name[-1], place.value) if place.kind in (Kind.SETTING, Kind.FIELD) else None
