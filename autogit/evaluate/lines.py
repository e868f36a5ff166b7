"""One line of output -> the numbers in it and their names.

What is understood without configuration: `step 40 loss 2.91 monitor 2.87`, `iter 100: loss 3.21, time 120.5ms`,
`step 250: train loss 2.1, val loss 2.3`, `val_bpb:    0.9979`, `Epoch [3/10], acc=0.91`, `10/10 [===] - loss: 0.3`,
`| val_loss | 0.65 |`, `test loss, test acc: [0.35, 0.89]`, `loss: tensor(0.65, device='cuda:0')`, JSON objects and
printed dicts. Every line costs time in proportion to its length: one pass of one regular expression.

A number is read whole or not at all. `1,690,000` and `1_690_000` have thousands separators; `1e-3`, `6.5f-5`, `nan`,
`-inf` are what they say; `10.65M`, `950k`, `1.5B` are multiplied out; another known unit (`120.5ms`, `93.2%`) is
dropped, so a percentage stays the number that was printed; `9855/10000` is the quotient, except of a step, where `3/10`
is 3. What goes on in another way (`0,654`, `1.2.3`, `0x1f`, `2026-01-01`, `0.65...`, `1.5 x 10^-3`) is not read, and
the name that it stands beside is in `Line.unread`. So is a name beside more values than it can have.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST = 8192
"""Characters of a line that are read."""
LARGEST_STEP = 2**53
STEPS = ("step", "global_step", "train_step", "training_step", "iter", "iteration", "it")
EPOCHS = ("epoch", "train_epoch", "epochs_done")
MAX_NAME_WORDS = 5
"""Words of a name, the last ones before its value."""
MAX_DEPTH = 16
"""Brackets within each other that are told apart."""

_ATOM = r"[-+\u2212]?\.?[0-9](?:\w|[.,'\u2019](?=[0-9])|\.(?=[eE][-+0-9])|(?<=[eEdDfF])[-+](?=[0-9]))*"
"""A number with all that touches it and may be part of it."""
_TOKEN = re.compile(
    rf"(?P<number>{_ATOM}|[-+]?(?i:nan|inf(?:inity)?)(?!\w))"
    r"|(?P<word>[^\W\d][\w./@^-]*)|(?P<spread>\u00b1|\+/?-)|(?P<arrow>(?<![-=])[-=]+>|\u2192)|(?P<sign>[^\s\w])|(?P<odd>\w)"
)
_PLAIN = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_OTHER_EXPONENT = re.compile(r"\A([0-9]*\.[0-9]+)[dDfF]([-+][0-9]+)")
"""Of Fortran (`6.5D-05`) and Julia (`6.5f-5`)."""
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:_[0-9]{3})+)(?:\.[0-9]*)?")
_LETTERS = string.ascii_letters + "\u00b5\u03bc"
_PARENS = re.compile(r"[()]")
_DECIMAL_COMMA = re.compile(r"\A[-+\u2212]?(?:0,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))\Z")
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_UNIT_NAMES = (
    "ns us \u00b5s \u03bcs ms s sec secs second seconds m min mins h hr hrs hours d days it its iter iters step steps"
    " epochs samples sample img imgs images tok toks tokens KB kB MB GB TB KiB MiB GiB TiB b bits bit nats nat bpb bpc"
    " dB db px Hz kHz MHz GHz W kW J kJ C x X pp pts ppl f F L FLOPs FLOPS TFLOPs TFLOPS GFLOPs GFLOPS"
)
_UNITS = frozenset(_UNIT_NAMES.split())
_COLUMNS = "|\u2502\u2503\u2551\u00a6"
_MAY_FOLLOW = frozenset(" \t\u00a0,;)]}!?\"'`%\u2030\u00b0\u20ac$\u00a3(<[*\u00b1" + _COLUMNS)
_MAY_PRECEDE = frozenset(" \t\u00a0:=([{,;\"'`*$\u20ac\u00a3\u00b1/" + _COLUMNS)
_GROUP_OF_THREE = re.compile(r"[ \u00a0\u202f\u2009][0-9]{3}(?:[.,][0-9]+)?(?!\w|[.,][0-9])")
_TIMES = re.compile(r"\s?(?:[x\u00d7\u22c5\u00b7*]\s?10|\^)")
_NUMBER_NEXT = re.compile(r"\s{0,4}[-+]?\.?[0-9]")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LABELS = re.compile(r"INFO|DEBUG|WARN(?:ING)?|ERROR|CRITICAL|NOTICE|TRACE|RESULTS?|(?i:METRICS?)")
"""Words in front of a name that a logger or a convention puts there (`METRIC name=value`)."""
_FILLERS = {"is", "was", "of", "at"}
_MEASURE_NAMES = (
    "loss acc accuracy error err rmse mse mae f1 auc auroc score precision recall perplexity ppl bleu iou map r2 nll"
    " wer cer bpb top1 top5 dice kappa mcc ndcg map50 ap reward cost logloss entropy"
)
_MEASURES = frozenset(_MEASURE_NAMES.split())
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
    unread: tuple[str, ...] = ()
    """Names that something stands beside which cannot be read as their one number."""
    short: dict[str, str] = field(default_factory=dict)
    """Name -> the same without the brackets behind it: `val_loss_ema` -> `val_loss` of `val_loss (ema): 0.65`."""
    grouped: frozenset[str] = frozenset()
    """Names whose value has one thousands comma and nothing else that tells it from a decimal comma: `1,234`."""
    decimal_comma: bool = False
    """Whether something in it can only be a decimal comma: `0,65`."""
    open: str = ""
    """The name that the line ends with, if it is followed by `:` or `=` and nothing else: its value is wrapped."""
    bare: float | None = None
    """The number that stands alone in the line."""


@lru_cache(maxsize=1024)
def normalised(name: str) -> str:
    """The one spelling of a metric's name: "val loss", "val-loss" and "Val_Loss" are `val_loss`, "tok/sec" is
    `throughput_tokens_per_sec`."""
    name = re.sub(r"[^\w.@^]+", "_", name.strip().lower()).strip("_.")
    return _ALIASES.get(name, name)


def number(text: str) -> float | None:
    """The number that `text` is, a known unit and spaces aside; None if it is none as a whole."""
    text = text.strip().removesuffix("%").rstrip()
    match = _TOKEN.match(text)
    return None if match is None or match["number"] is None or match.end() != len(text) else _value(match[0])


def number_at(text: str, start: int, end: int) -> float | None:
    """The number in `text[start:end]`, which a person's pattern found; None if it begins before or goes on after."""
    inner = text[start:end].strip()
    start += len(text[start:end]) - len(text[start:end].lstrip())
    before = text[max(0, start - 2) : start]
    if re.search(r"[0-9.,]\Z|(?<![\w-])[-\u2212]\Z", before) and inner[:1] not in "-+":
        return None
    match = _TOKEN.match(text, start)
    goes_on = match is not None and match["number"] is not None and match.end() > start + len(inner)
    if match is not None and goes_on and text[start + len(inner) : match.end()] not in _UNITS:
        return None
    return number(inner.rstrip(".,"))


def parse_line(text: str) -> Line:
    """Reads one line of output. Never raises, whatever the text."""
    cut = len(text) > LONGEST
    text = text[:LONGEST]
    if cut:
        # The last word may go on: a number must not be cut.
        text = text[: max(text.rfind(" "), text.rfind("\t"), 0)]
    # A progress bar overwrites itself: what a person would see is what was written last.
    text = _ANSI.sub("", text).rstrip().rpartition("\r")[2].strip()
    table = _json(text) if text.startswith("{") and text.endswith("}") else None
    return (_Parser(text) if table is None else table).line()


def _value(atom: str) -> float | None:
    """The number that a whole token is."""
    sign = -1.0 if atom[0] in "-\u2212" else 1.0
    body = atom.lstrip("-+\u2212")
    if body[:1].isalpha():
        return sign * float(body)
    digits = body.rstrip(_LETTERS)
    unit = body[len(digits) :]
    if unit and unit not in _UNITS and unit not in _SCALES:
        return None
    if _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "").replace("_", "")
    elif other := _OTHER_EXPONENT.fullmatch(digits):
        digits = f"{other[1]}e{other[2]}"
    elif not _PLAIN.fullmatch(digits):
        return None
    return sign * _SCALES.get(unit, 1.0) * float(digits)


@dataclass(slots=True)
class _Group:
    """One or several names, and the values that stand behind them."""

    names: list[list[str]] = field(default_factory=list)
    """Names that a comma ended, before the one that is being read."""
    words: list[str] = field(default_factory=list)
    bracket: list[str] = field(default_factory=list)
    """Words in brackets behind the name."""
    named: bool = False
    """Whether `:`, `=` or a column's edge came behind the name."""
    array: bool = False
    values: list[float | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    comma: bool = False
    """Whether a comma or a column's edge parted the values."""
    whole: float | None = None
    """What the value is a part of: 10 in `3/10`."""
    junk: bool = False
    """Whether something else stands where the value should."""


class _Parser:
    """Walks over the tokens of a line once: words pile up to names, numbers are their values, a new word ends both."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._group = _Group()
        self._step: int | None = None
        self._epoch: int | None = None
        self._values: dict[str, float] = {}
        self._explicit: set[str] = set()
        self._unread: list[str] = []
        self._short: dict[str, str] = {}
        self._grouped: set[str] = set()
        self._decimal_comma = False
        self._open = ""
        self._brackets: list[str] = []
        """What each open bracket holds: `name`, `value`, `aside`, or `` before any name."""
        self._colon = False
        """Whether a colon came after a value: `recall at 5: 0.8`."""
        self._skip = False
        """Whether the next number is a spread: `0.65 ± 0.02`."""

    def line(self) -> Line:
        """Reads the text."""
        at = tokens = 0
        last = ""
        while match := _TOKEN.search(self._text, at):
            at = match.end()
            tokens += 1
            kind = str(match.lastgroup)
            touches = match.start() > 0 and last != "" and not self._text[match.start() - 1].isspace()
            if kind == "word":
                at = self._word(match, touches, last)
            elif kind == "number":
                at = self._number(match)
            elif kind == "sign":
                self._sign(match[0])
            elif kind == "spread":
                self._skip = bool(self._group.values)
                self._group.junk |= not self._group.values and self._group.named
            elif kind == "arrow":
                if self._brackets[-1:] != ["aside"] and _NUMBER_NEXT.match(self._text, at):
                    self._group.junk = True
            elif self._group.words:
                self._group.junk, self._group.named = True, True
            last = match[0] if kind == "sign" else kind
        self._finish(end=True)
        bare = number(self._text) if tokens <= 2 else None
        return Line(self._step, self._epoch, self._values, frozenset(self._explicit), tuple(self._unread), self._short,
                    frozenset(self._grouped), self._decimal_comma, self._open, bare)  # fmt: skip

    def _word(self, match: re.Match[str], touches: bool, last: str) -> int:
        group, end = self._group, match.end()
        if touches and last == "/" and group.values:
            return end  # `120ms/step`
        if group.named and not group.values and self._text[end : end + 1] == "(":
            return self._wrapped(end)
        last_word = re.match(rf"\s*(?:$|[,;)\]{_COLUMNS}])", self._text[end : end + 3])
        if match[0] in _SCALES and last_word and not touches and group.values and group.values[-1] is not None:
            group.values[-1] *= _SCALES[match[0]]  # `10.65 M`
            return end
        if group.named or group.values:
            group.junk |= not group.values
            self._finish()
            group = self._group
        (group.bracket if self._brackets[-1:] == ["name"] else group.words).append(match[0])
        return end

    def _wrapped(self, start: int) -> int:
        """Reads `tensor(0.65, device='cuda:0')` from its bracket on: the numbers before the first word."""
        depth, end = 0, start
        for sign in _PARENS.finditer(self._text, start):
            depth += 1 if sign[0] == "(" else -1
            if depth == 0:
                end = sign.end()
                break
        group, group.array = self._group, True
        for match in _TOKEN.finditer(self._text, start, end - 1 if end > start else start):
            if match["word"]:
                break
            if match["number"]:
                group.values.append(self._whole(match))
                group.texts.append(match[0])
        group.junk |= not group.values
        return end if end > start else len(self._text)

    def _number(self, match: re.Match[str]) -> int:
        group, end = self._group, match.end()
        value = self._whole(match)
        if self._text[match.start() - 1 : match.start()] == "/" and group.values and not self._brackets_aside():
            self._quotient(match, value)
            return end
        if self._skip:
            self._skip = False
            return end
        if self._colon and not group.named and not self._is_step() and group.values:
            group.words, group.values, group.named = [*group.words[-MAX_NAME_WORDS:], *group.texts], [], True
            group.texts = []
        self._colon = False
        if self._brackets_aside() or not group.words:
            return end
        if not group.values and not group.named:
            group.words, group.bracket = group.words + group.bracket, []
        digits = match[0].lstrip("-+\u2212")
        if len(digits) < 4 and digits.isdigit() and _GROUP_OF_THREE.match(self._text, end) and not self._is_step():
            value = None
        group.values.append(value)
        group.texts.append(match[0])
        return end

    def _whole(self, match: re.Match[str]) -> float | None:
        """The number of a token, or None if it goes on around the token in a way that is not understood."""
        start, end, text = match.start(), match.end(), self._text
        self._decimal_comma |= _DECIMAL_COMMA.match(match[0]) is not None
        value = _value(match[0])
        if value is None:
            return None
        before, after, then = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
        if before and before not in _MAY_PRECEDE and not before.isspace():
            return None
        if before.isspace() and re.search(r"[~\u2248\u2264\u2265<>]\s\Z", text[max(0, start - 2) : start]):
            return None
        if _TIMES.match(text, end):
            return None
        if after == "" or after.isspace():
            return value
        if after in _MAY_FOLLOW:
            return None if after in "*%<" and then.isdigit() else value
        if after == ":":
            return None if then.isdigit() else value
        if after == ".":
            return None if then == "." or then.isalnum() else value
        if after == "/":
            return value if then.isalnum() or then in ("", " ") else None
        if after == "-":
            return value if then in ("", " ", "-") or then.isalpha() else None
        return value if after == "+" and (text[end : end + 2] == "+-" or text[end : end + 3] == "+/-") else None

    def _quotient(self, match: re.Match[str], whole: float | None) -> None:
        """Makes `9855/10000` of what was 9855. A second one (`1/2/2026`) and parts of no whole number are not read."""
        group = self._group
        part = group.values[-1]
        counts = part is not None and whole is not None and group.texts[-1][-1:].isdigit() and float(part).is_integer()
        if not counts or whole is None or not whole.is_integer() or whole <= 0 or group.whole is not None:
            group.values[-1] = None
        else:
            group.whole = whole

    def _sign(self, sign: str) -> None:
        group, top = self._group, self._brackets[-1:]
        if sign in _COLUMNS or sign in ":=":
            if top == ["name"] or top == ["aside"]:
                return
            if group.values:
                self._colon = sign == ":"
                group.comma |= sign in _COLUMNS
            elif group.words:
                group.named = True
        elif sign in "[({":
            kind = "aside" if group.values else "" if not group.words else "value" if group.named else "name"
            group.array |= kind == "value"
            if len(self._brackets) < MAX_DEPTH:
                self._brackets.append(kind)
        elif sign in "])}":
            kind = self._brackets.pop() if self._brackets else ""
            if kind == "" and not group.values:
                self._restart()
        elif sign in ",/":
            if group.values:
                group.comma |= sign == ","
            elif group.named:
                group.junk = True
            elif group.words and top != ["name"] and top != [""]:
                group.names.append(group.words + group.bracket)
                group.words, group.bracket = [], []
            elif sign == "," and top == [""]:
                self._restart()
        elif sign in "\"'`*%\u2030\u00b0\u20ac$\u00a3.":
            return
        elif group.values:
            if top != ["aside"]:
                self._finish()
        elif group.named or sign in "~\u2248":
            group.junk, group.named = True, True
        else:
            self._restart()

    def _restart(self) -> None:
        self._group = _Group()

    def _brackets_aside(self) -> bool:
        return "aside" in self._brackets

    def _is_step(self) -> bool:
        return _name(self._group.words) in (*STEPS, *EPOCHS)

    def _finish(self, end: bool = False) -> None:
        """Says what the names are that have been read, and begins anew."""
        group = self._group
        self._restart()
        self._colon = self._skip = False
        self._brackets = [kind for kind in self._brackets if kind != "aside"]
        if not group.words:
            return
        full, plain = _name(group.words + group.bracket), _name(group.words)
        names = [*(_name(words) for words in group.names), full]
        if full != plain:
            self._short[full] = plain
        if not group.values:
            if group.named and (group.junk or not end):
                self._unread.append(full)
            elif group.named and end:
                self._open = full
            return
        values = group.values
        first = values[0]
        if plain in (*STEPS, *EPOCHS) and first is not None and 0 <= first < LARGEST_STEP:
            if plain in STEPS:
                self._step = int(first)
            else:
                self._epoch = int(first)
            return
        if not all(name.split("_")[-1] in _MEASURES for name in names[:-1]):
            # Prose may end in a comma before a name. Behind another metric's name it is not clear whose a value is.
            names = names[-1:]
        loose = len(names) == 1 and len(values) > 1 and not (group.array or group.comma or group.named)
        if loose and group.texts[1].isdigit() and "." in group.texts[0]:
            values = values[:1]  # `accuracy   0.93   100`: a count beside a measure
        if group.junk or len(names) != len(values):
            self._unread += names
            return
        for name, value, text in zip(names, values, group.texts, strict=False):
            if value is None:
                self._unread.append(name)
                continue
            self._values[name] = value / group.whole if group.whole and len(values) == 1 else value
            if group.named:
                self._explicit.add(name)
            if text.count(",") == 1 and "." not in text:
                self._grouped.add(name)


def _name(words: list[str]) -> str:
    words = words[-2 * MAX_NAME_WORDS :]
    while len(words) > 1 and words[-1].lower() in _FILLERS:
        words = words[:-1]
    while len(words) > 1 and _LABELS.fullmatch(words[0]):
        words = words[1:]
    return normalised("_".join(words[-MAX_NAME_WORDS:]))


class _Table:
    """A JSON object, one nested level as `outer_inner`."""

    def __init__(self, table: dict[str, object]) -> None:
        self._table = table

    def line(self) -> Line:
        """Reads its numbers, those in quotes too. A list is no number, unless it holds one alone."""
        step = epoch = None
        values: dict[str, float] = {}
        unread = []
        for name, item in self._items():
            value = _json_number(item)
            if value is None:
                unread.append(name)
            elif name in STEPS and 0 <= value < LARGEST_STEP:
                step = int(value)
            elif name in EPOCHS and 0 <= value < LARGEST_STEP:
                epoch = int(value)
            else:
                values[name] = value
        return Line(step, epoch, values, frozenset(values), tuple(unread))

    def _items(self) -> Iterator[tuple[str, object]]:
        for name, value in self._table.items():
            if isinstance(value, dict):
                yield from ((normalised(f"{name}_{key}"), item) for key, item in value.items())
            else:
                yield normalised(name), value


def _json_number(item: object) -> float | None:
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, str):
        return number(item)
    if isinstance(item, bool) or not isinstance(item, int | float):
        return None
    try:
        return float(item)
    except OverflowError:
        return math.copysign(math.inf, item)


def _json(text: str) -> _Table | None:
    """None if the text is no JSON object (a Python dict)."""
    try:
        return _Table(json.loads(text))
    except (ValueError, RecursionError):
        return None
