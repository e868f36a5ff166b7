"""A model's answer: what it proposes, which of its words are thought, and which crashed trial it is to mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autogit.propose.models.quote import block, inline, visible
from autogit.propose.models.templates import KINDS, rendered
from autogit.records import Proposal, Record, Verdict

REPAIR = "repair"
"""Operator of a proposal that mends a trial that crashed; its parent is that trial."""
TRACEBACK_LINES = 30
MENDED_TRIALS = 10
"""A crash is given back while it is among so many of the latest trials."""

_FIELDS = ("TITLE", "KIND", "HYPOTHESIS", "EXPECTED", "SOURCE")
_FIELD = re.compile(
    rf"^[ \t>#*_-]*(?:\d[.)][ \t*_]*)?({'|'.join(_FIELDS)})[ \t*_]*[:：][ \t*_]*(.*)$", re.IGNORECASE | re.MULTILINE
)
_CHANGE = re.compile(r"^(?:[ \t]*(?:```|~~~)(?!.*\n\W*TITLE)|diff --git |--- |\*\*\* |<<<<<<< |@@ )", re.MULTILINE)
"""Where the form's words end; a fence around the whole answer is none."""
_TAG = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_OPENING = re.compile(rf"\s*(?:<{_TAG}>|\[THINK(?:ING)?\]|◁think▷|<\|begin_of_thought\|>)", re.IGNORECASE)
_CLOSING = re.compile(
    rf"</{_TAG}\s*>|\[/THINK(?:ING)?\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>", re.IGNORECASE
)
_ALTERNATIVE = re.compile(
    r"\b(?:option|alternative|variant|version|proposal|approach|choice|plan|idea|candidate|solution)[ \t]*#?"
    r"(?:\d+|[a-e]|two|three|second|third|ii|iii)\b"
    r"|\b(?:second|third|another|other|alternate|different)[ \t]+(?:option|alternative|variant|version|proposal"
    r"|approach|choice|idea|candidate|solution)\b"
    r"|\balternatively\b|\bas an alternative\b|\bor,? (?:instead|else)\b|\binstead of (?:the|this|that|option|a|it)\b"
    r"|\bif (?:that|this|the first) (?:does not|doesn't|fails)|\bon second thoughts?\b|\bscratch that\b|\bscrap that\b"
    r"|^\W*(?:or|wait|actually|no|better|correction|revised|corrected)\b[ \t]*[,:.…!-]",
    re.IGNORECASE | re.MULTILINE,
)
"""Words before a block that make it another proposal in place of the one above."""

_SHALLOW = re.compile(
    r"\b(SyntaxError|IndentationError|TabError|NameError|UnboundLocalError|ImportError|ModuleNotFoundError|AttributeError"
    r"|TypeError|KeyError|IndexError|ValueError|AssertionError|ZeroDivisionError|OutOfMemoryError|MemoryError"
    r"|RuntimeError: .*(shape|size|dtype|device|expected|inplace|grad)|out of (GPU )?memory)",
    re.IGNORECASE,
)
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model proposes."""

    title: str
    kind: str
    hypothesis: str
    """With the source of the idea, if one is named."""
    expected: str
    change: str
    """All behind the form's last word, which a name before a block belongs to; empty if there is no change."""
    alternative: str = ""
    """The words that begin a second proposal in the same answer; empty if it holds one."""


def form() -> str:
    """Returns the form of an answer, as it is asked for."""
    return rendered("answer.md.j2")


def read(text: str) -> Answer:
    """Returns what `text` holds, in whatever markdown the form is dressed; what is missing is empty."""
    text = without_thought(text.replace("\r\n", "\n"))
    start = _CHANGE.search(text)
    head = text[: start.start()] if start else text
    found: dict[str, str] = {}
    places = list(_FIELD.finditer(head))
    ends = [*(place.start() for place in places[1:]), len(head)]
    for place, end in zip(places, ends, strict=False):
        value = place[2] + head[place.end() : end]
        found.setdefault(place[1].upper(), visible(value).strip(" \t\n*_"))
    kind = re.sub(r"\W.*", "", found.get("KIND", "").lower(), flags=re.DOTALL)
    source = _paragraph(found.get("SOURCE", ""))
    if re.fullmatch(r"\W*(none|n/?a|no source|my own|-)?\W*", source, re.IGNORECASE):
        source = ""
    hypothesis = found.get("HYPOTHESIS", "")
    return Answer(
        title=inline(found.get("TITLE", "").split("\n")[0], 100).strip("\"'"),
        kind=kind if kind in KINDS else "other",
        hypothesis=f"{hypothesis} (source: {inline(source, 200)})".strip() if source else hypothesis,
        expected=inline(_paragraph(found.get("EXPECTED", "")), 300),
        change=text[places[-1].end() if places else 0 :] if start else "",
        alternative=_alternative(text),
    )


def without_thought(text: str) -> str:
    """Returns `text` from behind its last closing tag of a thought on, whether or not the tag was ever opened.

    A tag in a line of a diff or in the middle of code is code. A thought that never ends leaves nothing.
    """
    for closing in reversed(list(_CLOSING.finditer(text))):
        start = text.rfind("\n", 0, closing.start()) + 1
        before = text[start : closing.start()]
        after = text[closing.end() :].split("\n", 1)[0]
        in_code = before[:1] in ("+", "-", " ", "\t") and before.strip() and after.strip()
        if not in_code and before[:1] not in ("+", "-"):
            text = text[closing.end() :]
            break
    return "" if _OPENING.match(text) else text


def _paragraph(text: str) -> str:
    """The first paragraph: what stands before a blank line or a heading."""
    return re.split(r"\n[ \t]*(?=\n|#)", text.strip(), maxsplit=1)[0]


def _alternative(text: str) -> str:
    """The words between two changes that put the second in the place of the first."""
    titles = [m.start() for m in _FIELD.finditer(text) if m[1].upper() == "TITLE"]
    for title in titles[1:]:
        if _CHANGE.search(text[titles[0] : title]) and _CHANGE.search(text[title:]):
            return inline(text[title:].split("\n", 1)[0], 80)
    for start, prose in _between_changes(text):
        if (found := _ALTERNATIVE.search(prose)) and _CHANGE.search(text, start):
            line = prose[prose.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0]
            return inline(line, 80)
    return ""


def _between_changes(text: str) -> Iterable[tuple[int, str]]:
    """The prose behind a change: where it ends, and its words."""
    fence, seen, at, prose = "", False, 0, ""
    for line in text.splitlines(keepends=True):
        at += len(line)
        mark = re.match(r"[ \t]*(`{3,}|~{3,})", line)
        if mark and not fence:
            if seen and prose:
                yield at - len(line), prose
            fence, seen, prose = mark[1], True, ""
        elif mark and fence and line.strip().startswith(fence) and not line.strip().strip("`~"):
            fence = ""
        elif not fence and re.match(r"diff --git |--- |@@|\*\*\* |<<<<<<< ", line):
            if seen and prose:
                yield at - len(line), prose
            seen, prose = True, ""
        elif not fence and seen and line[:1] not in ("+", "-", " ", "\t", "\n"):
            prose += line


# ---- crashes to mend


def to_mend(records: Sequence[Record], pending: Iterable[Proposal], proposer: str) -> Record | None:
    """Returns the latest trial of this proposer that crashed on something shallow and was not given back, if any.

    `records`: oldest first. Each is given back once, also if `main` has moved since, and what was mended is not
    mended again: a model that is lost should try something else.
    """
    done = {parent for p in pending if p.operator == REPAIR for parent in p.parents}
    for record in list(records)[: -MENDED_TRIALS - 1 : -1]:
        if record.trial.operator == REPAIR:
            done.update(record.trial.parents)
        elif (
            record.trial.proposer == proposer
            and record.verdict is Verdict.CRASHED
            and record.id not in done
            and shallow(record.reason)
        ):
            return record
    return None


def shallow(reason: str) -> bool:
    """Returns whether a crash looks like a slip (a name, a shape, an import, memory), not like a failing machine."""
    return _SHALLOW.search(reason) is not None


def crash_told(record: Record, diff: str, log: str, moved: bool) -> str:
    """Returns the part of a prompt that gives a crashed trial back; `moved`: `main` is another one since."""
    return rendered(
        "crash.md.j2",
        id=record.id,
        title=inline(record.trial.title, 120),
        idea=block(f"{inline(record.trial.title, 120)}\n{inline(record.trial.rationale, 600)}\n", "data"),
        diff=block(diff, "diff"),
        log=block(f"{inline(record.reason, 300)}\n{useful(log)}\n", "log"),
        moved=moved,
    )


def stale_told(proposal: Proposal) -> str:
    """Returns the part of a prompt that gives back a change that was made for an older `main`."""
    return rendered(
        "stale.md.j2",
        idea=block(f"{inline(proposal.title, 120)}\n{inline(proposal.rationale, 600)}\n", "data"),
        diff=block(proposal.diff, "diff"),
        reason=inline(proposal.refused, 500),
    )


def useful(log: str) -> str:
    """Returns the last traceback of a log, without its middle if it is long; its last lines if there is none."""
    lines = visible(log).rstrip().split("\n")
    start = next((i for i in reversed(range(len(lines))) if _TRACEBACK in lines[i]), None)
    part = lines[-TRACEBACK_LINES:] if start is None else lines[start:]
    if len(part) > TRACEBACK_LINES:
        part = [*part[:4], "...", *part[-TRACEBACK_LINES + 5 :]]
    return "\n".join(line[:400] for line in part)
