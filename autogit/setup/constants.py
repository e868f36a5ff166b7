"""Constants that are worth searching, each with a domain around its present value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autogit.config.ranges import by_name
from autogit.config.space import Domain, Space
from autogit.propose.search.literals import Kind, Place
from autogit.propose.search.parameters import find, fixed
from autogit.propose.search.places import places
from autogit.records import Value

MAX_PARAMETERS = 16
"""Parameters that are written down; more is for a person to choose."""
MAX_FILES = 40
"""Files of a script that are looked at for constants, the nearest first: behind them are libraries."""
MAX_PLACES = 4
"""Places of one name that are tried."""
MAX_HOLDERS = 60
"""Files with a name, up to which it is looked for in all of them."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of the code with the domain to search it in."""

    name: str
    """As the space spells it: the last part of its name, or as many as tell it from others."""
    value: Value
    domain: Domain
    place: Place


def worth_searching(
    files: Mapping[str, str], command: str, editable: Mapping[str, str]
) -> tuple[list[Constant], list[str]]:
    """The constants in `files` whose name says what they do, and a sentence for each that is fixed by `command`.

    Of more than are written down, those of the first files. `editable` is all that a proposal may change, where the
    loop will look for a name.
    """
    files = dict(list(files.items())[:MAX_FILES])
    found: list[Constant] = []
    doubts: dict[str, str] = {}
    nearness = {path: place for place, path in enumerate(files)}
    everywhere = [place for path, text in files.items() for place in places(path, text)]
    everywhere.sort(key=lambda p: (p.kind, nearness[p.path], p.start))
    tries: Counter[str] = Counter()
    for place in everywhere:
        name = place.name[-1]
        domain = by_name(name, place.value, argument=place.kind is Kind.ARGUMENT)
        if len(found) == MAX_PARAMETERS:
            break
        if domain is None or place.value is None or any(c.name.rpartition(".")[2] == name for c in found):
            continue
        if fixed(name, command):
            doubts[name] = f"{name} is set on the command line; take it off there and it can be searched ({place})"
            continue
        tries[name] += 1
        if tries[name] > MAX_PLACES:
            continue
        # An option is spelled with dashes.
        dashed = name.replace("_", "-")
        holders = {path: text for path, text in editable.items() if name in text or dashed in text}
        told_apart = _told_apart(place, domain, holders, command)
        if told_apart is not None:
            found.append(told_apart)
    found = sorted(found[:MAX_PARAMETERS], key=lambda c: (c.place.path, c.place.start))
    return found, list(doubts.values())


def constraints(found: list[Constant]) -> list[str]:
    """What has to hold between the constants that were found, as far as their names tell."""
    by_end = {constant.name.rpartition(".")[2].lower(): constant.name.rpartition(".")[2] for constant in found}
    width = next(
        (by_end[name] for name in ("n_embd", "d_model", "embed_dim", "hidden_size", "dim") if name in by_end), None
    )
    heads = next((by_end[name] for name in ("n_head", "n_heads", "num_heads", "nhead") if name in by_end), None)
    return [f"{width} % {heads} == 0"] if width and heads else []


def _told_apart(place: Place, domain: Domain, files: Mapping[str, str], command: str) -> Constant | None:
    """The shortest name under which exactly this place is found, with its file if the name is elsewhere, too."""
    assert place.value is not None
    for held in (domain, replace(domain, file=place.path)):
        # Of a name that half the repository has, only its file tells which one is meant.
        if not held.file and len(files) > MAX_HOLDERS:
            continue
        for length in range(1, len(place.name) + 1):
            name = ".".join(place.name[-length:])
            looked = {place.path: files[place.path]} if held.file else files
            parameter = find(Space({name: held}), looked, command).parameters.get(name)
            if parameter is not None and place in parameter.places:
                return Constant(name, place.value, held, place)
            if parameter is not None:
                break
    return None
