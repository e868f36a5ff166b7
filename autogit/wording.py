"""Numbers as people read them, on the screen and on the page."""

from __future__ import annotations

import re

LEFT_OUT = re.compile(r"\[\.\.\. (?:[0-9]+ lines, )?[0-9]+ bytes left out \.\.\.\]")
"""A line in the place of output that was not kept, or not read."""


def left_out(size: int, lines: int = 0) -> str:
    """`[... 3 lines, 120 bytes left out ...]`, which `LEFT_OUT` knows again."""
    return f"[... {f'{lines} lines, ' if lines else ''}{size} bytes left out ...]"


def number(value: float | None) -> str:
    """A measurement for people: about six figures, "-" where there is none."""
    return "-" if value is None else f"{value:.6g}"


def percent(value: float | None) -> str:
    """A signed change in percent, "-" where there is none."""
    return "-" if value is None else f"{value:+.2f}%"


def counted(number: int, noun: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
