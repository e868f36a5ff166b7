"""Reads a model's answer: a title, what it expects, and the change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autogit.propose.models.prompt import KINDS
from autogit.propose.models.prompt_quote import inline, visible

FORM = f"""\
## Your answer

Answer in exactly this form, and with nothing after the diff:

TITLE: what the change is, in one line of at most 70 characters
KIND: one of {", ".join(KINDS)}
HYPOTHESIS: why it should help, in one to three sentences
EXPECTED: the effect on the metric that you expect, with a number

```diff
--- a/path/of/file.py
+++ b/path/of/file.py
@@ the function or class that the change is in @@
 an unchanged line, exactly as in the file
-a line to take out
+a line to put in
 an unchanged line, exactly as in the file
```

The diff is a unified diff against the files above. Copy unchanged lines and lines to take out exactly, with their
indentation; give about three unchanged lines around each place, enough to make it unique. Leave none out in between:
no "..." for code that stays. Line numbers are not needed. A new file has `--- /dev/null` and `+++ b/PATH`.
"""

_FIELDS = ("TITLE", "KIND", "HYPOTHESIS", "EXPECTED")
_FIELD = re.compile(
    rf"^[ \t>#*_-]*(?:\d[.)][ \t*_]*)?({'|'.join(_FIELDS)})[ \t*_]*[:：][ \t*_]*(.*)$", re.IGNORECASE | re.MULTILINE
)
_CHANGE = re.compile(r"^(?:[ \t]*(?:```|~~~)(?!.*\n\W*TITLE)|diff --git |--- |\*\*\* |<<<<<<< |@@ )", re.MULTILINE)
"""Where the form's words end; a fence around the whole answer is none."""
_THOUGHT = re.compile(r"^\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model proposes."""

    title: str
    kind: str
    hypothesis: str
    expected: str
    change: str
    """All behind the form's last word, which a name before a block belongs to; empty where there is no change."""


def read(text: str) -> Answer:
    """What `text` holds, in whatever markdown the words of the form are dressed; what is missing is empty."""
    text = _THOUGHT.sub("", text.replace("\r\n", "\n"))
    start = _CHANGE.search(text)
    head = text[: start.start()] if start else text
    found: dict[str, str] = {}
    places = list(_FIELD.finditer(head))
    ends = [*(place.start() for place in places[1:]), len(head)]
    for place, end in zip(places, ends, strict=False):
        value = place[2] + head[place.end() : end]
        found.setdefault(place[1].upper(), visible(value).strip(" \t\n*_"))
    kind = re.sub(r"\W.*", "", found.get("KIND", "").lower(), flags=re.DOTALL)
    return Answer(
        title=inline(found.get("TITLE", ""), 100).strip("\"'"),
        kind=kind if kind in KINDS else "other",
        hypothesis=found.get("HYPOTHESIS", ""),
        expected=inline(found.get("EXPECTED", ""), 300),
        change=text[places[-1].end() if places else 0 :] if start else "",
    )
