"""The few things that every chart needs: scales, round ticks, and SVG elements as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from xml.sax.saxutils import escape, quoteattr

from autogit.wording import plain


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to pixels; values outside of it are drawn at its ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value, in pixels."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        """Whether the value is within the picture."""
        return self.low <= value <= self.high


def asset(name: str) -> str:
    """A file that ships with the report: styles, scripts, the page's template."""
    return resources.files("autogit.report").joinpath("assets", name).read_text(encoding="utf-8")


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; `inside` is markup already, attributes are escaped. `_` in a name stands for `-`, one at its end for
    nothing."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_text(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>" if inside else f"<{name}{given}/>"


def words(text: str) -> str:
    """Text that came from anywhere, for inside of an element."""
    return escape(plain(text))


def points(places: Iterable[tuple[float, float]]) -> str:
    """Coordinates as polylines want them."""
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def ticks(low: float, high: float, count: int = 6, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else plain(str(value))
