"""Reads one run's output line by line: the metrics, the monitored loss, and the first sign that it is lost."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autogit.config.model import Config
from autogit.evaluate.curve import exploded
from autogit.evaluate.lines import Line, normalised, number, parse_line
from autogit.protocols import Halt
from autogit.records import Curve, RunStatus

MONITORED = ("monitor_loss", "loss", "train_loss", "training_loss", "average_loss")
"""What a learning curve is made of, the better ones first: a script's own fixed measure before its training loss."""
KEPT = ("val_loss", "perplexity", "bits_per_byte", "throughput_tokens_per_sec", "parameters")
"""Names that are recorded wherever they are printed."""
MOST_NAMES = 256
"""Different names that are remembered of one output."""
MOST_RECORDED = 24
"""Names beyond the wanted ones that are recorded: those that were printed last, as a closing block is."""
MOST_POINTS = 4096
"""Points of a curve; with more, every second one is dropped."""
PATTERN_LENGTH = 1024
"""Characters of a line that a person's own regular expression is tried on."""
REFUSED = re.compile(r"\s*refused:\s*(.+)", re.IGNORECASE)


@dataclass(slots=True)
class OutputReading:
    """What one run's output has said so far. A metric that is printed twice is what was printed last."""

    seed: int
    primary: str
    wanted: Mapping[str, str]
    """Normalised name -> the name in the configuration, of the metrics that are asked for."""
    patterns: Mapping[str, re.Pattern[str]]
    step: int | None = None
    loss: float | None = None
    unstable: str = ""
    """Why the run is lost: NaN, infinity or an exploding loss."""
    refused: str = ""
    """The reason in a line `refused: REASON`."""
    _values: dict[str, float] = field(default_factory=dict)
    _blocks: dict[str, None] = field(default_factory=dict)
    """Names written like a closing block (`name: value`, not beside a step), the latest at the end."""
    _monitored: str = ""
    _steps: list[int] = field(default_factory=list)
    _losses: list[float] = field(default_factory=list)
    _reports: int = 0
    _stride: int = 1

    def line(self, text: str, seconds: float) -> Halt | None:
        """Reads one line. A halt says that the run is unstable."""
        if match := REFUSED.fullmatch(text[:PATTERN_LENGTH]):
            self.refused = match[1].strip()
        line = parse_line(text)
        self._take(line, self._matched(text[:PATTERN_LENGTH]))
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
        """The monitored loss at the steps where it was reported."""
        if not self._losses:
            return None
        return Curve(self.seed, self._monitored, tuple(self._steps), tuple(self._losses))

    @property
    def metrics(self) -> dict[str, float]:
        """The finite numbers that are worth recording: those that are asked for, the well-known, the closing block."""
        names = [n for n in self._values if n in self.wanted or n in KEPT]
        names += [n for n in list(self._blocks)[-MOST_RECORDED:] if n not in names]
        return {self.wanted.get(n, n): self._values[n] for n in names if math.isfinite(self._values[n])}

    def missing(self, name: str) -> str:
        """A sentence on a metric that never came: what was looked for, and what there was instead."""
        if not self._values:
            return f'no "{name}" in the output, nor any other number that has a name; print "{name}: VALUE"'
        near = difflib.get_close_matches(normalised(name), self._values, n=1)
        found = ", ".join(list(self._values)[-12:])
        hint = f'; the nearest is "{near[0]}"' if near else ""
        return f'no "{name}" in the output{hint}; found: {found}; name one of them in [metric] or print it'

    def _matched(self, text: str) -> list[tuple[str, float, int | None]]:
        """What the person's own patterns find: (name, value, step)."""
        found = []
        for name, pattern in self.patterns.items():
            if match := pattern.search(text):
                step = pattern.groupindex.get("step")
                group = next((i for i in range(1, pattern.groups + 1) if i != step), None)
                value = None if group is None else number(match[group] or "")
                at = number(match[step] or "") if step else None
                if value is not None:
                    found.append((name, value, int(at) if at is not None and 0 <= at < math.inf else None))
        return found

    def _take(self, line: Line, matched: Iterable[tuple[str, float, int | None]]) -> None:
        step = line.epoch if line.step is None else line.step
        values, steps = dict(line.values), [step]
        for name, value, at in matched:
            values[name] = value
            steps.append(at)
        step = next((s for s in reversed(steps) if s is not None), None)
        if step is not None:
            self.step = step
        for name, value in values.items():
            self._remember(name, value, block=step is None and name in line.explicit)
        self._follow(values, here=step is not None)

    def _remember(self, name: str, value: float, block: bool) -> None:
        if len(self._values) >= MOST_NAMES and not (name in self._values or name in self.wanted or name in KEPT):
            return
        self._values[name] = value
        if block:
            self._blocks.pop(name, None)
            self._blocks[name] = None
        if not math.isfinite(value) and (name == self.primary or name in MONITORED or name == "val_loss"):
            self.unstable = self.unstable or f"{self.wanted.get(name, name)} is {value}{self._at()}"

    def _follow(self, values: Mapping[str, float], here: bool) -> None:
        """Adds to the learning curve: the best monitor that was ever seen beside a step, at steps that go up."""
        name = next((n for n in (*MONITORED, "val_loss") if n in values), None)
        if name is None or not math.isfinite(values[name]) or self.step is None:
            return
        if self._monitored != name:
            # A summary at the end, under a better name, does not replace the curve.
            if self._monitored and (not here or _rank(name) > _rank(self._monitored)):
                return
            self._monitored, self._steps, self._losses, self._stride = name, [], [], 1
        self.loss = values[name]
        if self._steps and self.step <= self._steps[-1]:
            if self.step == self._steps[-1]:
                self._losses[-1] = self.loss
            return
        self._reports += 1
        if self._reports % self._stride:
            return
        self._steps.append(self.step)
        self._losses.append(self.loss)
        if len(self._losses) > MOST_POINTS:
            self._steps, self._losses, self._stride = self._steps[::2], self._losses[::2], 2 * self._stride
        if exploded(self._losses):
            self.unstable = self.unstable or f"{name} has exploded: {self.loss:.4g}{self._at()}"

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
    )


def _rank(name: str) -> int:
    return (*MONITORED, "val_loss").index(name)
