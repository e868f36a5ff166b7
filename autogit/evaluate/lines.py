"""One line of output -> the numbers in it and their names.

What is understood without configuration: `step 40 loss 2.91 monitor 2.87`, `iter 100: loss 3.21, time 120.5ms`,
`step 250: train loss 2.1, val loss 2.3`, `val_bpb:    0.9979`, `Epoch [3/10], acc=0.91`, `10/10 [===] - loss: 0.3`,
JSON objects and printed dicts. Every line costs time in proportion to its length: one pass of one regular expression.

How numbers are read: `1,690,000` has thousands separators; `1e-3`, `nan`, `-inf` are what they say; `10.65M`, `950k`,
`1.5B` are multiplied out; another unit (`120.5ms`, `93.2%`) is dropped, so a percentage stays the number that was
printed; `9855/10000` is the quotient, except of a step, where `3/10` is 3.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST = 8192
"""Characters of a line that are read."""
LARGEST_STEP = 2**53
STEPS = ("step", "global_step", "train_step", "training_step", "iter", "iteration", "it")
EPOCHS = ("epoch", "train_epoch", "epochs_done")

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d*)?|\.\d+"
NUMBER = rf"[-+]?(?:(?:{_DIGITS})(?:[eE][-+]?\d+)?|(?:nan|inf(?:inity)?)(?!\w))"
_TOKEN = re.compile(rf"(?P<number>{NUMBER})|(?P<word>[^\W\d][\w./@^-]*)|(?P<sign>[^\s\w])", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9}
_FILLERS = {"is", "was", "of", "at"}
_MOST_WORDS = 5
_THROUGHPUT = "tok_s tok_sec tok_per_sec tokens_s tokens_sec tokens_per_s tokens_per_sec tokens_per_second"
_ALIASES = dict.fromkeys(_THROUGHPUT.split(), "throughput_tokens_per_sec") | {"monitor": "monitor_loss"}


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says."""

    step: int | None = None
    epoch: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    """By normalised name, in the order of the line; NaN and infinity included."""
    explicit: frozenset[str] = frozenset()
    """The names that were written with `:` or `=`, as in a closing block."""


@lru_cache(maxsize=1024)
def normalised(name: str) -> str:
    """The one spelling of a metric's name: "val loss", "val-loss" and "Val_Loss" are `val_loss`, "tok/sec" is
    `throughput_tokens_per_sec`."""
    name = re.sub(r"[^\w.@^]+", "_", name.strip().lower()).strip("_.")
    return _ALIASES.get(name, name)


def number(text: str) -> float | None:
    """The number that `text` begins with (spaces aside), or None."""
    match = re.match(NUMBER, text.strip(), re.IGNORECASE)
    return None if match is None else float(match[0].replace(",", ""))


def parse_line(text: str) -> Line:
    """Reads one line of output. Never raises, whatever the text."""
    text = _ANSI.sub("", text[:LONGEST]).rstrip()
    # A progress bar overwrites itself: what a person would see is what was written last.
    text = text.rpartition("\r")[2].strip()
    pairs = _json(text) if text.startswith("{") and text.endswith("}") else None
    return _line(_pairs(text) if pairs is None else pairs)


@dataclass(frozen=True, slots=True)
class _Pair:
    name: str
    value: float
    explicit: bool
    whole: float | None = None
    """What the value is a part of: 10 in `3/10`."""


def _line(pairs: Iterator[_Pair] | list[_Pair]) -> Line:
    step = epoch = None
    values: dict[str, float] = {}
    explicit = set()
    for pair in pairs:
        if pair.name in STEPS and _is_step(pair.value):
            step = int(pair.value)
        elif pair.name in EPOCHS and _is_step(pair.value):
            epoch = int(pair.value)
        elif pair.name:
            values[pair.name] = pair.value / pair.whole if pair.whole else pair.value
            if pair.explicit:
                explicit.add(pair.name)
    return Line(step, epoch, values, frozenset(explicit))


def _is_step(value: float) -> bool:
    return math.isfinite(value) and 0 <= value < LARGEST_STEP


def _pairs(text: str) -> Iterator[_Pair]:
    """Walks over the tokens: words pile up to a name, the next number is its value, other signs end both."""
    words: list[str] = []
    named = False
    last: _Pair | None = None
    end, before = -1, ""
    for match in _TOKEN.finditer(text):
        touches = match.start() == end
        end = match.end()
        if match["word"]:
            if touches and before == "number":
                before = "unit"
                if last is not None:
                    last = _Pair(last.name, last.value * _SCALES.get(match["word"], 1.0), last.explicit, last.whole)
                continue
            if named:
                words, named = [], False
            words.append(match["word"])
        elif match["number"]:
            value = float(match["number"].replace(",", ""))
            if touches and before == "/" and last is not None:
                last = _Pair(last.name, last.value, last.explicit, value)
                continue
            if last is not None:
                yield last
            last = _Pair(_name(words), value, named) if words else None
            words, named = [], False
        elif match["sign"] in ":=":
            named = bool(words)
        elif match["sign"] not in "\"'`[(/*":
            words, named = [], False
        before = "/" if match["sign"] == "/" and touches and before == "number" else str(match.lastgroup)
    if last is not None:
        yield last


def _name(words: list[str]) -> str:
    while len(words) > 1 and words[-1].lower() in _FILLERS:
        words = words[:-1]
    return normalised("_".join(words[-_MOST_WORDS:]))


def _json(text: str) -> list[_Pair] | None:
    """The numbers of a JSON object, one nested level as `outer_inner`; None where it is none (a Python dict)."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return None
    pairs = []
    for name, value in table.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, item in inner:
            if isinstance(item, int | float) and not isinstance(item, bool):
                try:
                    pairs.append(_Pair(normalised(f"{name}_{key}" if key else name), float(item), True))
                except OverflowError:
                    pairs.append(_Pair(normalised(name), math.inf, True))
    return pairs
