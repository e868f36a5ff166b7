"""Numbers and foreign text as people read them, on the screen and on the page."""

from __future__ import annotations

import re

LEFT_OUT = re.compile(r"\[\.\.\. (?:[0-9]+ lines, )?[0-9]+ bytes left out \.\.\.\]")
"""A line in the place of output that was not kept, or not read."""


def left_out(size: int, lines: int = 0) -> str:
    """`[... 3 lines, 120 bytes left out ...]`, which `LEFT_OUT` knows again."""
    return f"[... {f'{lines} lines, ' if lines else ''}{size} bytes left out ...]"


_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, movements of the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f\n]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, clipboard
    r"|\x1b[ -/]*[0-~]?"  # every other escape
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls but for tab and newline; what turns the direction of writing, hides, or tags; halves of characters."""


def plain(text: str) -> str:
    """Text that came from anywhere, as text: without terminal escapes, control and bidirectional characters.

    Markup stays as it is written: `[bold]` is six characters. Line ends become "\\n".
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROLS.sub("", text)


def number(value: float | None) -> str:
    """A measurement for people: about six figures, "-" if there is none."""
    return "-" if value is None else f"{value:.6g}"


def percent(value: float | None) -> str:
    """A signed change in percent, "-" if there is none."""
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
