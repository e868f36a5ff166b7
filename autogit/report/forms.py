"""The forms that a report comes in, each a function of the same facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autogit.errors import AutogitError
from autogit.report.facts import Facts
from autogit.report.markdown import markdown
from autogit.report.notebook import notebook
from autogit.report.page import page
from autogit.report.progress import progress_svg

PNG_SCALE = 2.0
"""Pixels of a PNG for each of the SVG: sharp on today's screens."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a report down."""

    suffix: str
    make: Callable[[Facts], str | bytes]


def picture(facts: Facts) -> str:
    """The progress chart as an SVG file of its own; it follows the reader's light or dark mode."""
    return progress_svg(facts, alone=True)


def bitmap(facts: Facts) -> bytes:
    """The progress chart as PNG, drawn without a browser. Raises AutogitError if vl-convert is not installed."""
    try:
        import vl_convert
    except ImportError:
        raise AutogitError(
            "a PNG needs vl-convert: pip install 'autogit[report]'; an SVG needs nothing: autogit report --svg"
        ) from None
    drawn = progress_svg(facts, alone=True, dark=False).replace(
        "<style>", '<rect width="100%" height="100%" fill="#fff"/><style>'
    )
    for name, color in _COLORS.items():
        # The converter knows no variables.
        drawn = drawn.replace(f"var(--{name}, {color})", color)
    return bytes(vl_convert.svg_to_png(drawn, scale=PNG_SCALE))


_COLORS = {
    "line": "#e3e7ee", "soft": "#5b6575", "good": "#12805c", "bad": "#7a8494", "paper": "#fff", "base": "#3056d3",
    "wrong": "#c22f45",
}  # fmt: skip

FORMS = {
    "html": Form(".html", page),
    "svg": Form(".svg", picture),
    "png": Form(".png", bitmap),
    "markdown": Form(".md", markdown),
    "notebook": Form(".ipynb", notebook),
}
"""By the name of the command's option."""
