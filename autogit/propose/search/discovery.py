"""Numbers in the code that nobody declared and that are worth searching, with ranges around their present values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autogit.config.ranges import by_name, by_value
from autogit.config.space import Domain, Space
from autogit.propose.search.parameters import find
from autogit.propose.search.places import Kind, Place, places

MAX_DISCOVERED = 24
"""Constants; a search over more of them would not end. The first ones in the code are taken."""
FEW_CONSTANTS = 3
"""Constants at the top of the code below which literals inside functions and calls are searched, too."""


def widened(space: Space, files: Mapping[str, str], command: str) -> Space:
    """`space` with what is discovered in the code, if it asks for that; declared parameters stay as they are."""
    if not space.discovers:
        return space
    declared = find(space, files, command).parameters.values()
    taken = {(place.path, place.start) for parameter in declared for place in parameter.places}
    chosen: dict[str, Domain] = {}
    for sensibly in (sensible, _sensible_inside):
        candidates: dict[str, Domain] = {}
        for path, text in files.items():
            for place in places(path, text):
                domain = None if (place.path, place.start) in taken else sensibly(place)
                if domain is not None and place.name[-1] not in {**space.parameters, **chosen}:
                    candidates.setdefault(place.name[-1], domain)
        # A name with several values has no one place; a declared name goes before a discovered one.
        for name, parameter in find(Space(candidates), files, command).parameters.items():
            domain = sensibly(parameter.places[0])
            if domain is not None and not taken & {(place.path, place.start) for place in parameter.places}:
                chosen[name] = domain
        if len(chosen) >= FEW_CONSTANTS:
            break
    return replace(space, parameters={**space.parameters, **dict(list(chosen.items())[:MAX_DISCOVERED])})


def sensible(place: Place) -> Domain | None:
    """Where to search around a constant, by its name and value; None for what is not worth it or not safe to change."""
    return by_value(place.name[-1], place.value) if place.kind in (Kind.SETTING, Kind.FIELD) else None


def _sensible_inside(place: Place) -> Domain | None:
    """The same for a literal inside a function or a call, if its name says what it does."""
    if place.kind in (Kind.SETTING, Kind.FIELD):
        return None
    return by_name(place.name[-1], place.value, place.kind is Kind.ARGUMENT)
