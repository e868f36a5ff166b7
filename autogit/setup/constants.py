"""Constants that are worth searching, each with a domain around its present value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autogit.config.ranges import by_name
from autogit.config.space import Domain, Space
from autogit.propose.search.literals import Kind, Place
from autogit.propose.search.parameters import find, fixed
from autogit.propose.search.places import places
from autogit.records import Value

MAX_PARAMETERS = 16
"""Parameters that are written down; more is for a person to choose."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of the code with the domain to search it in."""

    name: str
    """As the space spells it: the last part of its name, or as many as tell it from others."""
    value: Value
    domain: Domain
    place: Place


def worth_searching(files: Mapping[str, str], command: str) -> tuple[list[Constant], list[str]]:
    """The constants in `files` whose name says what they do, and a sentence for each that is fixed by `command`.

    Of more than are written down, those of the first files.
    """
    found: list[Constant] = []
    doubts: dict[str, str] = {}
    nearness = {path: place for place, path in enumerate(files)}
    everywhere = [place for path, text in files.items() for place in places(path, text)]
    everywhere.sort(key=lambda p: (p.kind, nearness[p.path], p.start))
    holders: dict[str, set[str]] = {}
    for place in everywhere:
        holders.setdefault(place.name[-1], set()).add(place.path)
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
        told_apart = _told_apart(place, domain, {path: files[path] for path in holders[name]}, command)
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
    """The shortest name under which exactly this place is found."""
    for length in range(1, len(place.name) + 1):
        name = ".".join(place.name[-length:])
        parameter = find(Space({name: domain}), files, command).parameters.get(name)
        if parameter is not None:
            return Constant(name, place.value, domain, place) if place in parameter.places else None  # type: ignore[arg-type]
    return None
