"""Trials that crashed on something shallow: which of them is given back to be mended, and what is told of it."""

from __future__ import annotations

import re

from autogit.propose.models.prompt_quote import block, inline, visible
from autogit.protocols import Context
from autogit.records import Record, Verdict

REPAIR = "repair"
"""Operator of a proposal that mends a trial that crashed; its parent is that trial."""

_SHALLOW = re.compile(
    r"\b(SyntaxError|IndentationError|TabError|NameError|UnboundLocalError|ImportError|ModuleNotFoundError|AttributeError"
    r"|TypeError|KeyError|IndexError|ValueError|AssertionError|ZeroDivisionError|OutOfMemoryError|MemoryError"
    r"|RuntimeError: .*(shape|size|dtype|device|expected|inplace|grad)|out of (GPU )?memory)",
    re.IGNORECASE,
)
_TRACEBACK = "Traceback (most recent call last):"
TRACEBACK_LINES = 30


def to_mend(context: Context, proposer: str) -> Record | None:
    """The latest trial of this proposer on the present code that crashed on something shallow and was not given back.

    Each is given back once, and what was mended is not mended again: a model that is lost should try something else.
    """
    done = {parent for r in context.history if r.trial.operator == REPAIR for parent in r.trial.parents}
    done |= {parent for p in context.pending if p.operator == REPAIR for parent in p.parents}
    for record in reversed(context.history.on(context.base)):
        mine = record.trial.proposer == proposer and record.trial.operator != REPAIR
        if mine and record.verdict is Verdict.CRASHED and record.id not in done and shallow(record.reason):
            return record
    return None


def shallow(reason: str) -> bool:
    """Whether a crash looks like a slip (a name, a shape, an import, memory), not like a failing machine."""
    return _SHALLOW.search(reason) is not None


def told(record: Record, diff: str, log: str) -> str:
    """The part of a prompt that gives a crashed trial back."""
    return (
        f"## Mend this\n\nYour proposal {record.id} crashed before it could be measured. It was\n\n"
        + block(f"{inline(record.trial.title, 120)}\n{inline(record.trial.rationale, 600)}\n", "data")
        + "\nwith this diff against the files above\n\n"
        + block(diff, "diff")
        + "\nand it ended so:\n\n"
        + block(f"{inline(record.reason, 300)}\n{useful(log)}\n", "log")
        + "\nKeep the idea and mend the mistake. Make the whole change again, against the files above: they do\n"
        "not have your earlier change.\n"
    )


def useful(log: str) -> str:
    """The last traceback of a log, without its middle where it is long; its last lines where there is no traceback."""
    lines = visible(log).rstrip().split("\n")
    start = next((i for i in reversed(range(len(lines))) if _TRACEBACK in lines[i]), None)
    part = lines[-TRACEBACK_LINES:] if start is None else lines[start:]
    if len(part) > TRACEBACK_LINES:
        part = [*part[:4], "...", *part[-TRACEBACK_LINES + 5 :]]
    return "\n".join(line[:400] for line in part)
