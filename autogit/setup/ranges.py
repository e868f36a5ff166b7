"""Constants that are worth searching, each with a domain around its present value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autogit.config.space import Choice, Domain, Range, Space
from autogit.propose.search.parameters import find
from autogit.propose.search.places import Kind, Place, places
from autogit.records import Value

MOST = 16
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
    """The constants in `files` whose name says what they do, and a sentence for each that is fixed by `command`."""
    found: list[Constant] = []
    doubts = []
    everywhere = sorted(
        (place for path, text in files.items() for place in places(path, text)), key=lambda p: (p.kind, p.path, p.start)
    )
    for place in everywhere:
        domain = _domain(place)
        name = place.name[-1]
        if domain is None or place.value is None or any(c.name.rpartition(".")[2] == name for c in found):
            continue
        if re.search(rf"(?<![\w-])(--)?{re.escape(name).replace('_', '[-_]')}[= ]", command):
            doubts.append(f"{name} is set on the command line; take it off there and it can be searched ({place})")
            continue
        told_apart = _told_apart(place, domain, files, command)
        if told_apart is not None:
            found.append(told_apart)
    found.sort(key=lambda c: (c.place.path, c.place.start))
    return found[:MOST], doubts


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


def _domain(place: Place) -> Domain | None:
    """What to search, by the name of the constant; None where the name says nothing or the value is no number."""
    if not isinstance(place.value, int | float) or isinstance(place.value, bool):
        return None
    known = _called(place.name[-1]) or (_ARGUMENTS if place.kind is Kind.ARGUMENT else {}).get(place.name[-1])
    return None if known is None else known(place.value)


def _rate(value: float) -> Domain | None:
    """A step size, a strength: any size, two orders of magnitude around its present one."""
    return None if value <= 0 else Range(_round(value / 10), _round(value * 10), log=True)


def _decay(value: float) -> Domain | None:
    return Choice((0.0, 0.0001, 0.001, 0.01, 0.1)) if value == 0 else _rate(value)


def _share(value: float) -> Domain | None:
    return Range(0.0, 0.5) if 0 <= value <= 0.5 else None


def _momentum(value: float) -> Domain | None:
    return Range(0.5 if value >= 0.5 else 0.0, 0.99) if 0 <= value < 1 else None


def _slow(value: float) -> Domain | None:
    return Choice((0.9, 0.95, 0.98, 0.99, 0.999)) if 0.5 < value < 1 else None


def _size(value: float) -> Domain | None:
    """A width, a batch: doubled and halved."""
    if value != int(value) or value < 4:
        return None
    sizes = dict.fromkeys(int(value * factor) for factor in (0.25, 0.5, 1, 2, 4))
    return Choice(tuple(size for size in sizes if size > 0))


def _depth(value: float) -> Domain | None:
    if value != int(value) or value < 1:
        return None
    return Range(max(1, int(value) - 2), int(value) + 3, integer=True)


def _heads(value: float) -> Domain | None:
    return Choice((1, 2, 4, 8, 16)) if value == int(value) and value >= 1 else None


def _count(value: float) -> Domain | None:
    """A number of steps at the start, of leaves, of trees."""
    if value != int(value) or value < 0:
        return None
    return Choice((0, 10, 50, 100)) if value == 0 else Range(max(1, int(value) // 3), 3 * int(value), True, True)


def _clip(value: float) -> Domain | None:
    return Choice((0.0, 0.25, 0.5, 1.0, 2.0)) if value >= 0 else None


_KNOWN: tuple[tuple[str, Callable[[float], Domain | None]], ...] = (
    (r"(max_|base_|init_|initial_|peak_)?(lr|learning_?rate)(_init)?|eta0?|\w+_lr", _rate),
    (r"(weight_?decay|wd|l2|l1|l2_reg\w*|l2_regularization|reg_(alpha|lambda)|alpha)", _decay),
    (r"(\w*_)?drop(out)?(_?(rate|prob|p))?|label_?smoothing|(drop_?path|stochastic_depth)\w*", _share),
    (r"momentum|beta_?1|adam_beta_?1", _momentum),
    (r"beta_?2|adam_beta_?2|ema(_decay)?", _slow),
    (r"(train_?)?(micro_?)?(batch_?size|bs|bsz)", _size),
    (r"hidden(_?(size|dim|channels|units))?|(n_?|num_)?(embd|embed|hidden|channels|filters|units)|d_?(model|ff)|width"
     r"|(ff|ffn|mlp)_?(dim|size)|(embed(ding)?|model)_?(dim|size)|embedding|dim", _size),
    (r"(n_?|num_?)?(layers?|blocks)|depth|n_layers?", _depth),
    (r"(n_?|num_?)heads?|nhead", _heads),
    (r"warm_?up(_?(steps|iters|iterations|epochs))?|num_warmup_steps", _count),
    (r"(max_)?(grad(ient)?_?)?clip(_?(norm|value|grad))?|max_grad_norm", _clip),
)  # fmt: skip
_ARGUMENTS: Mapping[str, Callable[[float], Domain | None]] = {
    "C": _rate, "gamma": _rate, "tol": _rate,
    "max_leaf_nodes": _count, "min_samples_leaf": _count, "min_samples_split": _count, "num_leaves": _count,
    "min_child_samples": _count, "max_depth": _depth, "n_neighbors": _count, "min_child_weight": _count,
    "subsample": lambda value: Range(0.4, 1.0) if 0 < value <= 1 else None,
    "colsample_bytree": lambda value: Range(0.4, 1.0) if 0 < value <= 1 else None,
    "l1_ratio": lambda value: Range(0.0, 1.0) if 0 <= value <= 1 else None,
}  # fmt: skip
"""Names that mean something only where a model is made: `SVC(C=1.0)`. What makes training longer is not here."""


def _called(name: str) -> Callable[[float], Domain | None] | None:
    lower = name.lower()
    return next((known for pattern, known in _KNOWN if re.fullmatch(pattern, lower)), None)


def _round(value: float) -> float:
    return float(f"{value:.3g}")
