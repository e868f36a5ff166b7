"""Numbers in the code that nobody declared and that are worth searching, with ranges around their present values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from autogit.config.space import Choice, Domain, Range, Space
from autogit.propose.search.parameters import find
from autogit.propose.search.places import Kind, Place, places
from autogit.records import Value

# What decides how much is computed, what is measured, or where things are: not how well something is learned.
_NOT_SEARCHED = re.compile(
    r"seeds?|steps?|iters?|iterations?|epochs?|budget|time|timeout|seconds|minutes|hours|interval|every|freq|frequency|"
    r"period|eval|evaluation|val|valid|validation|test|log|logging|print|verbose|debug|save|checkpoints?|resume|port|rank|"
    r"world|host|nodes?|workers?|threads?|devices?|gpus?|cuda|dtype|compile|profile|prefetch|pin|cache|vocab|vocabulary|"
    r"class|classes|version|data|dataset|split|subset|samples|path|dir|folder|url|header|bytes|lines?|tokens?|block|context|"
    r"seq|sequence|length|len|limit|largest|total|count|target|patience|flops|year|month|day|train|in|inputs?|out|outputs?"
)
_SHARES = re.compile(r"dropout|drop|smoothing|mixup|cutmix|floor|frac|fraction|ratio|prob|probability")
_DECAYS = re.compile(r"beta|beta1|beta2|betas|momentum|ema|polyak")
_TUNED = re.compile(
    r"lr|rate|rates|decay|momentum|dropout|drop|weight|hidden|width|depth|layers?|heads?|dim|dims|channels?|features?|filters|"
    r"alpha|gamma|lambda|betas?\d*|eta|eps|epsilon|clip|smoothing|batch|size|estimators|units|neurons|penalty|temperature|"
    r"scale|std|sigma|tau|margin|regulari[sz]ation"
)
"""Words in the names of what is tuned: of literals inside functions and calls nothing else is searched."""
MAX_DISCOVERED = 24
"""Constants; a search over more of them would not end. The first ones in the code are taken."""
FEW_CONSTANTS = 3
"""Constants at the top of the code below which literals inside functions and calls are searched, too."""


def widened(space: Space, files: Mapping[str, str], command: str) -> Space:
    """`space` with what is discovered in the code, where it asks for that; declared parameters stay as they are."""
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
        known = find(Space(candidates), files, command)
        # A name with several values has no one place; a declared name goes before a discovered one.
        for name, parameter in known.parameters.items():
            domain = sensibly(parameter.places[0])
            if domain is not None and not taken & {(place.path, place.start) for place in parameter.places}:
                chosen[name] = domain
        if len(chosen) >= FEW_CONSTANTS:
            break
    return replace(space, parameters={**space.parameters, **dict(list(chosen.items())[:MAX_DISCOVERED])})


def sensible(place: Place) -> Domain | None:
    """Where to search around a constant, by its name and value; None for what is not worth it or not safe to change.

    Rates a power of ten around, sizes a factor of two or four, shares from 0 to 0.3, decays on the usual steps to 1.
    """
    words = _words(place)
    if place.kind not in (Kind.SETTING, Kind.FIELD) or _any(_NOT_SEARCHED, words) or place.name[-1].startswith("_"):
        return None
    return _around(words, place.value)


def _sensible_inside(place: Place) -> Domain | None:
    """The same for a literal inside a function or a call, if it is called what people tune."""
    words = _words(place)
    inside = place.kind not in (Kind.SETTING, Kind.FIELD)
    if not inside or isinstance(place.value, bool) or not _any(_TUNED, words) or _any(_NOT_SEARCHED, words):
        return None
    return _around(words, place.value)


def _words(place: Place) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*", place.name[-1])}


def _around(words: set[str], value: Value | None) -> Domain | None:
    if isinstance(value, bool):
        return Choice((False, True))
    if not isinstance(value, int | float):
        return None
    if _any(_DECAYS, words) and 0 < value < 1:
        return Choice(_with(value, (0.8, 0.9, 0.95, 0.98, 0.99, 0.999)))
    if _any(_SHARES, words) and 0 <= value < 1:
        return Range(0.0, max(0.3, float(value)))
    return _whole(value) if isinstance(value, int) else _rate(value)


def _any(names: re.Pattern[str], words: set[str]) -> bool:
    return any(names.fullmatch(word) for word in words)


def _rate(value: float) -> Domain | None:
    return Range(float(f"{value / 10:.3g}"), float(f"{value * 10:.3g}"), log=True) if value > 0 else None


def _whole(value: int) -> Domain | None:
    if value < 2:
        return None
    if value >= 16 and value % 8 == 0:
        # Sizes: halved and doubled they stay divisible by what they were divisible by.
        return Choice(tuple(dict.fromkeys((value // 4, value // 2, value, value * 2, value * 4))))
    return Range(max(1, value // 2), value * 2, integer=True)


def _with(value: float, usual: tuple[float, ...]) -> tuple[Value, ...]:
    return tuple(sorted({*usual, value}))
