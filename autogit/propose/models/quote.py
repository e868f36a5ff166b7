"""Text of others in a prompt: quoted so that it stays data, whatever it says."""

from __future__ import annotations

import math
import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""Terminal colours, cursor moves and titles."""
_BYTES_PER_TOKEN = 3.0
"""Code has about three bytes to a token, prose four: counting three keeps within a limit without the model's own
tokenizer."""


def tokens(text: str) -> int:
    """About how many tokens a text is; seldom fewer than it really has."""
    return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


def block(text: str, name: str = "data") -> str:
    """A fenced block with the text as it is, its fence longer than any run of backticks within: no data closes it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{name}\n{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{fence}\n"


def inline(text: str, most: int = 200) -> str:
    """One line of at most `most` characters, without backticks and without what a reader could not see."""
    line = " ".join(visible(text).split()).replace("`", "'")
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def visible(text: str) -> str:
    """The text without terminal escapes and without characters that show nothing (control, format, private ones).

    What a person does not see in a log should not steer a model either.
    """
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    # A progress bar overwrites its line; what it left is what counts.
    lines = (line.rpartition("\r")[2] for line in plain.split("\n"))
    return "\n".join("".join(c for c in line if c == "\t" or unicodedata.category(c)[0] != "C") for line in lines)
