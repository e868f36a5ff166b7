"""Reads one run's output line by line: the metrics, the monitored loss, and the first sign that it is lost."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from autogit.config.model import Config
from autogit.evaluate.curve import LARGEST, exploded
from autogit.evaluate.lines import LARGEST_STEP, LONGEST, Line, normalised, number, number_at, parse_line
from autogit.protocols import Halt
from autogit.records import Curve, RunStatus
from autogit.wording import LEFT_OUT

MONITORED = ("monitor_loss", "loss", "train_loss", "training_loss", "average_loss")
"""What a learning curve is made of, the better ones first: a script's own fixed measure before its training loss."""
KEPT = ("val_loss", "perplexity", "bits_per_byte", "throughput_tokens_per_sec", "parameters")
"""Names that are recorded wherever they are printed."""
MOST_NAMES = 256
"""Different names that are remembered of one output."""
MOST_RECORDED = 24
"""Names beyond the wanted ones that are recorded: those that were printed last, as a closing block is."""
VAL_LOSS = "val_loss"
MIN_SERIES_POINTS = 3
"""Steps at which the primary metric has to be printed before it is the curve that is judged."""
MAX_POINTS = 4096
"""Points of a curve; with more, every second one is dropped."""
PATTERN_LENGTH = 1024
"""Characters of a line that a person's own regular expression is tried on."""
MAX_QUOTED = 160
"""Characters of a line that a reason quotes."""
REFUSED = re.compile(r"\A\s*refused:\s*(.+)", re.IGNORECASE)
_EXACT, _LOOSE, _SHORT = 0, 1, 2
"""How well a printed name fits the one that is asked for: the same, the same letters, the same without brackets."""


@dataclass(slots=True)
class _Series:
    """One name's values beside steps."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    last: int = -1
    _reports: int = 0
    _stride: int = 1

    def add(self, step: int, value: float) -> bool:
        """Adds a value; one at the same step replaces the one before. Whether the series has grown."""
        if self.steps and step <= self.last:
            if step == self.steps[-1]:
                self.values[-1] = value
            return False
        self.last = step
        self._reports += 1
        if self._reports % self._stride:
            return False
        self.steps.append(step)
        self.values.append(value)
        if len(self.values) > MAX_POINTS:
            self.steps, self.values, self._stride = self.steps[::2], self.values[::2], 2 * self._stride
        return True


@dataclass(slots=True)
class OutputReading:
    """What one run's output has said so far. A metric that is printed twice is what was printed last.

    A line that names a metric that is asked for, and cannot be read, takes back what earlier lines said of it; so does
    output that was left out.
    """

    seed: int
    primary: str
    wanted: Mapping[str, str]
    """Normalised name -> the name in the configuration, of the metrics that are asked for."""
    patterns: Mapping[str, re.Pattern[str]]
    rising: bool = False
    """Whether the primary metric is better when it is larger."""
    step: int | None = None
    unstable: str = ""
    """Why the run is lost: NaN, infinity or an exploding loss."""
    refused: str = ""
    """The reason in a line `refused: REASON`."""
    unread: dict[str, str] = field(default_factory=dict)
    """Metrics that are asked for -> the line that names them and cannot be read, if none after it could."""
    _values: dict[str, float] = field(default_factory=dict)
    _blocks: dict[str, None] = field(default_factory=dict)
    """Names written like a closing block (`name: value`, not beside a step), the latest at the end."""
    _fits: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Metrics that are asked for -> how well their best source fits, and its name."""
    _grouped: set[str] = field(default_factory=set)
    """Names whose value is right only if a comma does not stand for a decimal point."""
    _decimal_commas: bool = False
    _open: str = ""
    """The name that the last line ended with: `val_loss:`."""
    _series: dict[str, _Series] = field(default_factory=dict)

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line. A halt says that the run is unstable."""
        if LEFT_OUT.fullmatch(text):
            self._forget(text)
            return None
        if match := REFUSED.fullmatch(text[:PATTERN_LENGTH]):
            self.refused = match[1].strip()
        self._take(text, parse_line(text), self._matched(text))
        return Halt(RunStatus.UNSTABLE, self.unstable) if self.unstable else None

    def tick(self, seconds: float, cpu: float | None) -> Halt | None:
        """Goes on: time alone says nothing of the numbers."""
        return None

    def read(self, log: str) -> OutputReading:
        """Reads a whole log."""
        for text in log.splitlines():
            self.line(text, 0.0)
        return self

    @property
    def curve(self) -> Curve | None:
        """The series that is judged, at the steps where it was reported."""
        if not (name := self._followed()):
            return None
        series = self._series[name]
        return Curve(self.seed, name, tuple(series.steps), tuple(series.values))

    @property
    def loss(self) -> float | None:
        """The latest value of the series that is judged."""
        name = self._followed()
        return self._series[name].values[-1] if name else None

    @property
    def metrics(self) -> dict[str, float]:
        """The finite numbers that are worth recording: those that are asked for, the well-known, the closing block."""
        names = [n for n in self._values if n in self.wanted or n in KEPT]
        names += [n for n in list(self._blocks)[-MOST_RECORDED:] if n not in names]
        return {self.wanted.get(n, n): self._values[n] for n in names if math.isfinite(self._values[n])}

    def missing(self, name: str) -> str:
        """A sentence on a metric that never came: what was looked for, and what there was instead."""
        if quoted := self.unread.get(normalised(name)):
            return f'no "{name}" that can be read: {quoted}; print "{name}: VALUE", one number with a decimal point'
        if not self._values:
            return f'no "{name}" in the output, nor any other number that has a name; print "{name}: VALUE"'
        near = difflib.get_close_matches(normalised(name), self._values, n=1)
        found = ", ".join(list(self._values)[-12:])
        hint = f'; the nearest is "{near[0]}"' if near else ""
        return f'no "{name}" in the output{hint}; found: {found}; name one of them in [metric] or print it'

    def _matched(self, text: str) -> list[tuple[str, float | None, int | None]]:
        """What the person's own patterns find: (name, value, step). None for what is no number as a whole."""
        found = []
        for name, pattern in self.patterns.items():
            if match := pattern.search(text, 0, PATTERN_LENGTH):
                step = pattern.groupindex.get("step")
                group = next((i for i in range(1, pattern.groups + 1) if i != step), None)
                if group is None or match[group] is None:
                    continue
                at = number(match[step] or "") if step else None
                value = number_at(text, match.start(group), match.end(group))
                found.append((name, value, int(at) if at is not None and 0 <= at < LARGEST_STEP else None))
        return found

    def _take(self, text: str, line: Line, matched: Iterable[tuple[str, float | None, int | None]]) -> None:
        step = line.epoch if line.step is None else line.step
        values, steps, unread = dict(line.values), [step], list(line.unread)
        opened, self._open = self._open, self._open if not text.strip() else line.open
        if opened and text.strip():
            # A value on the line after its name.
            if line.bare is not None:
                values[opened] = line.bare
            else:
                unread.append(opened)
        if line.decimal_comma and not self._decimal_commas:
            self._decimal_commas = True
            for name in self._grouped:
                self._void(name, "its commas may be decimal points", text)
        for name, value, at in matched:
            steps.append(at)
            if value is None:
                values.pop(name, None)
                unread.append(name)
            else:
                values[name] = value
        step = next((s for s in reversed(steps) if s is not None), None)
        if step is not None:
            self.step = step
        for name in unread:
            self._void(self._asked(name, line)[0], "", text)
        if len(text) > LONGEST and self.primary in normalised(text[LONGEST : 4 * LONGEST]):
            self._void(self.primary, f"a line is read up to {LONGEST} characters", text)
        for name, value in values.items():
            own = any(name == pattern for pattern, _, _ in matched)
            if self._decimal_commas and name in line.grouped and not own:
                self._void(self._asked(name, line)[0], "its comma may be a decimal point", text)
                continue
            if name in line.grouped:
                self._grouped.add(name)
            self._remember(name, value, text, line, block=step is None and (name in line.explicit or name == opened))
        self._follow(values, here=step is not None)

    def _asked(self, name: str, line: Line) -> tuple[str, int]:
        """The metric that is asked for under a printed name, if there is one, else the name; and how well it fits."""
        if name in self.wanted:
            return name, _EXACT
        short = line.short.get(name, name)
        for spelling, fit in ((name, _LOOSE), (short, _SHORT)):
            letters = _letters(spelling)
            for wanted in self.wanted if letters else ():
                if letters == _letters(wanted):
                    return wanted, fit
        return name, _EXACT

    def _void(self, name: str, why: str, text: str) -> None:
        """Takes back what was said of a metric that is asked for, since this line says what cannot be read."""
        if name in self.wanted:
            self._values.pop(name, None)
            self._blocks.pop(name, None)
            self._fits.pop(name, None)
            cut = text.strip()[:MAX_QUOTED]
            self.unread[name] = f'the line "{cut}"' + (f" ({why})" if why else "")

    def _forget(self, gap: str) -> None:
        """After a gap nothing from before it is final."""
        for name in self._values:
            if name in self.wanted:
                self.unread[name] = (
                    f"its last value was printed before output that was not read ({gap.strip('[. ]')}; "
                    "[sandbox] output_mb bounds it)"
                )
        self._values, self._blocks, self._fits, self._open = {}, {}, {}, ""

    def _remember(self, name: str, value: float, text: str, line: Line, block: bool) -> None:
        printed = name
        name, fit = self._asked(printed, line)
        if name in self.wanted:
            best, source = self._fits.get(name, (fit, printed))
            if fit > best:
                name = printed  # The name itself was printed, too.
            elif fit == _SHORT == best and source != printed:
                self._void(name, f"and {source} before it", text)
                self._fits[name] = (_SHORT, "")
                name = printed
            else:
                self._fits[name] = (fit, printed)
                self.unread.pop(name, None)
        if len(self._values) >= MOST_NAMES and not (name in self._values or name in self.wanted or name in KEPT):
            return
        self._values[name] = value
        if block:
            self._blocks.pop(name, None)
            self._blocks[name] = None
        if not abs(value) <= LARGEST and (name == self.primary or name in MONITORED or name == VAL_LOSS):
            self.unstable = self.unstable or f"{self.wanted.get(name, name)} is {value:g}{self._at()}"

    def _follow(self, values: Mapping[str, float], here: bool) -> None:
        """Adds to the series of the primary metric and of the monitored losses, at steps that go up.

        `here`: whether the line names its step. A summary at the end, under a name of its own, begins no series.
        """
        if self.step is None:
            return
        for name in (self.primary, *MONITORED, VAL_LOSS):
            if name not in values or not abs(values[name]) <= LARGEST:
                continue
            if name not in self._series and self._series and not here:
                continue
            series = self._series.setdefault(name, _Series())
            falls = not (self.rising and name == self.primary)
            if series.add(self.step, values[name]) and falls and exploded(series.values):
                self.unstable = self.unstable or f"{name} has exploded: {values[name]:.4g}{self._at()}"

    def _followed(self) -> str:
        """The name of the series that is judged: the metric's own if it is one, else the best monitor; or empty."""
        if self.primary in self._series and len(self._series[self.primary].steps) >= MIN_SERIES_POINTS:
            return self.primary
        return next((name for name in (*MONITORED, VAL_LOSS, self.primary) if name in self._series), "")

    def followed(self, name: str) -> float | None:
        """Returns what a series says at the present step, or None if it says nothing there."""
        series = self._series.get(name)
        return series.values[-1] if series is not None and series.last == self.step else None

    def _at(self) -> str:
        return "" if self.step is None else f" at step {self.step}"


def reading(config: Config, seed: int) -> OutputReading:
    """A fresh reading of one run under `config`."""
    names = [config.metric.name, *config.metrics, *config.metric.patterns]
    return OutputReading(
        seed,
        normalised(config.metric.name),
        {normalised(name): name for name in reversed(names)},
        {normalised(name): re.compile(pattern) for name, pattern in config.metric.patterns.items()},
        config.metric.direction == "max",
    )


@lru_cache(maxsize=1024)
def _letters(name: str) -> str:
    """A name by its letters and digits alone: "acc@1" and "Acc1" are the same."""
    return "".join(c for c in name.lower() if c.isalnum())
