"""The texts that models and agents are sent, as templates beside this file: they change without a change of code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

KINDS = ("architecture", "optimizer", "schedule", "regularization", "initialization", "data", "objective", "efficiency",
         "simplification", "other")  # fmt: skip
"""What a proposal says it is: the operator under which its trend is counted."""


def rendered(name: str, **values: object) -> str:
    """Returns the template `name` with its values filled in, which stay as they are. It ends with one line end."""
    return _environment().get_template(name).render(kinds=KINDS, **values).strip("\n") + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Plain text for a model: nothing is to be escaped. What others wrote goes in as a quoted block.
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
