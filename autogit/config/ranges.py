"""Where to search around the present value of a constant, by its name: one table for `init` and for discovery."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from autogit.config.space import Choice, Domain, Range
from autogit.records import Value


def by_name(name: str, value: Value | None, argument: bool = False) -> Domain | None:
    """Returns the domain of a constant whose name says what it does; None for other names and unfit values.

    `argument`: the constant is a keyword of a call, so names that mean something only there count, such as `SVC(C=1)`.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    lower = name.lower()
    domain = next((domain for pattern, domain in _NAMES if re.fullmatch(pattern, lower)), None)
    domain = domain or (_ARGUMENTS.get(name) if argument else None)
    return None if domain is None else domain(value)


def by_value(name: str, value: Value | None) -> Domain | None:
    """Returns the domain of any constant that is worth a try: by its name if that is known, else by its value.

    None for what decides how much is computed, what is measured or where things are, and for values that are no number.
    """
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*", name)}
    known = by_name(name, value)
    if known is not None:
        return known
    if name.startswith("_") or _any(_NOT_SEARCHED, words):
        return None
    if isinstance(value, bool):
        return Choice((False, True))
    if not isinstance(value, int | float):
        return None
    if _any(_DECAYS, words) and 0 < value < 1:
        return _slow(value)
    if _any(_SHARES, words) and 0 <= value < 1:
        return Range(0.0, max(0.3, float(value)))
    return _rate(value) if isinstance(value, float) else _whole(value)


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


def _any(names: re.Pattern[str], words: set[str]) -> bool:
    return any(names.fullmatch(word) for word in words)


def _with(value: float, usual: tuple[float, ...]) -> Choice:
    """A choice of the usual values; the present one is always among them."""
    return Choice(tuple(sorted({*usual, value})))


def _rate(value: float) -> Domain | None:
    """A step size, a strength: one order of magnitude to each side."""
    return None if value <= 0 else Range(_round(value / 10), _round(value * 10), log=True)


def _decay(value: float) -> Domain | None:
    return _with(value, (0.0, 0.0001, 0.001, 0.01, 0.1)) if value == 0 else _rate(value)


def _dropout(value: float) -> Domain | None:
    return Range(0.0, 0.5) if 0 <= value <= 0.5 else None


def _share(value: float) -> Domain | None:
    return Range(0.0, 0.3) if 0 <= value <= 0.3 else None


def _momentum(value: float) -> Domain | None:
    return Range(0.5 if value >= 0.5 else 0.0, 0.99) if 0 <= value <= 0.99 else None


def _slow(value: float) -> Domain | None:
    return _with(value, (0.8, 0.9, 0.95, 0.98, 0.99, 0.999)) if 0 < value < 1 else None


def _size(value: float) -> Domain | None:
    """A width, a batch: halved and doubled they stay divisible by what they were divisible by."""
    return None if value < 4 else _multiples(value)


def _multiples(value: float) -> Domain | None:
    if value != int(value) or value < 1:
        return None
    sizes = (int(value) // 4, int(value) // 2, int(value), int(value) * 2, int(value) * 4)
    return Choice(tuple(size for size in dict.fromkeys(sizes) if size > 0))


def _depth(value: float) -> Domain | None:
    if value != int(value) or value < 1:
        return None
    return Range(max(1, int(value) // 2), max(int(value) * 2, int(value) + 2), integer=True)


def _count(value: float) -> Domain | None:
    """A number of steps at the start, of leaves, of trees."""
    if value != int(value) or value < 0:
        return None
    return Choice((0, 10, 50, 100)) if value == 0 else Range(max(1, int(value) // 3), 3 * int(value), True, True)


def _clip(value: float) -> Domain | None:
    return _with(value, (0.0, 0.25, 0.5, 1.0, 2.0)) if value >= 0 else None


def _whole(value: int) -> Domain | None:
    if value < 2:
        return None
    return _multiples(value) if value >= 16 and value % 8 == 0 else _depth(value)


def _part(low: float) -> Callable[[float], Domain | None]:
    """A share of the rows or columns, from `low` to all."""
    return lambda value: Range(low, 1.0) if low <= value <= 1 else None


def _round(value: float) -> float:
    return float(f"{value:.3g}")


_NAMES: tuple[tuple[str, Callable[[float], Domain | None]], ...] = (
    (r"(max_|base_|init_|initial_|peak_)?(lr|learning_?rate)(_init)?|eta0?|\w+_lr|(\w+_)?learning_rate", _rate),
    (r"(weight_?decay|wd|l2|l1|l2_reg\w*|l2_regularization|reg_(alpha|lambda)|alpha)", _decay),
    (r"(\w*_)?drop(out)?(_?(rate|prob|p))?", _dropout),
    (r"label_?smoothing|(drop_?path|stochastic_depth)\w*", _share),
    (r"momentum|beta_?1|adam_beta_?1", _momentum),
    (r"beta_?2|adam_beta_?2|ema(_decay)?", _slow),
    (r"(train_?)?(micro_?)?(batch_?size|bs|bsz)", _size),
    (r"hidden(_?(size|dim|channels|units))?|(n_?|num_)?(embd|embed|hidden|channels|filters|units)|d_?(model|ff)|width"
     r"|(ff|ffn|mlp)_?(dim|size)|(embed(ding)?|model)_?(dim|size)|embedding|dim|nhid|emsize", _size),
    (r"(n_?|num_?)?(layers?|blocks)|depth|n_layers?", _depth),
    (r"(n_?|num_?)heads?|nhead", _multiples),
    (r"warm_?up(_?(steps|iters|iterations|epochs))?|num_warmup_steps", _count),
    (r"(max_)?(grad(ient)?_?)?clip(_?(norm|value|grad))?|max_grad_norm", _clip),
)  # fmt: skip
_ARGUMENTS: Mapping[str, Callable[[float], Domain | None]] = {
    "C": _rate, "gamma": _rate, "tol": _rate,
    "max_leaf_nodes": _count, "min_samples_leaf": _count, "min_samples_split": _count, "num_leaves": _count,
    "min_child_samples": _count, "max_depth": _depth, "n_neighbors": _count, "min_child_weight": _count,
    "subsample": _part(0.4), "colsample_bytree": _part(0.4), "l1_ratio": _part(0.0),
}  # fmt: skip
"""Names that mean something only where a model is made: `SVC(C=1.0)`. What makes training longer is not here."""
