"""What other research loops leave in a repository: their benchmark script, checks, goal and ideas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from autogit.setup.surroundings import Surroundings, read

MAX_IDEAS = 50
"""Ideas of a backlog that are queued."""
_BENCHMARKS = (".auto/measure.sh", "autoresearch.sh")
_CHECKS = (".auto/checks.sh", "autoresearch.checks.sh")
_GOALS = (".auto/prompt.md", "autoresearch.md", "program.md")
_PRIMARY = re.compile(r"primary\W+`?([\w./@-]+)`?[^\n]*?\b(lower|higher|minimi[sz]e|maximi[sz]e)", re.IGNORECASE)
_WANTED = re.compile(
    r"\b(lowest|highest|minimi[sz]e|maximi[sz]e|lower|higher)\b[^.\n]*?\b(\w*[a-z]\w*_\w+)\b", re.IGNORECASE
)
_PRINTED = re.compile(r"\bMETRIC[ ]+([\w./@-]+)=")


@dataclass(frozen=True, slots=True)
class Habit:
    """What another loop has agreed on with the person."""

    goal: str
    """The file that says it."""
    benchmark: str = ""
    """A shell script that trains and prints `METRIC name=value` lines."""
    checks: str = ""
    """A shell script that fails where a change broke something."""
    metric: str = ""
    direction: Literal["min", "max"] | None = None
    editable: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    ideas: tuple[str, ...] = ()


def habit(around: Surroundings) -> Habit | None:
    """What another loop left in the folder: pi-autoresearch's files, or karpathy's `train.py` with `program.md`."""
    there = {*around.tracked, *(p for p in (*_BENCHMARKS, *_CHECKS, *_GOALS) if (around.folder / p).is_file())}
    benchmark = next((path for path in _BENCHMARKS if path in there), "")
    goal = next((path for path in _GOALS if path in there), "")
    backlog = [p for p in sorted(there) if p.endswith(".ideas.md") or p == ".auto/ideas.md"]
    if not (benchmark or backlog or (goal and (goal != "program.md" or "train.py" in there))):
        return None
    text = read(around.folder / goal) or "" if goal else ""
    script = read(around.folder / benchmark) or "" if benchmark else ""
    metric, direction = _metric(text, script)
    may, may_not = (
        _listed(text, around, r"can|in scope|modify|edit"),
        _listed(text, around, r"cannot|off.?limits|do not|not\s"),
    )
    return Habit(
        goal, benchmark, next((path for path in _CHECKS if path in there), ""), metric, direction,
        tuple(p for p in may if p not in may_not), tuple(may_not),
        tuple(idea for path in backlog for idea in _ideas(read(around.folder / path) or ""))[:MAX_IDEAS],
    )  # fmt: skip


def _metric(goal: str, script: str) -> tuple[str, Literal["min", "max"] | None]:
    said, wanted, printed = _PRIMARY.search(goal), _WANTED.search(goal), _PRINTED.search(script)
    way = said[2] if said else wanted[1] if wanted else ""
    direction: Literal["min", "max"] | None = None
    if way:
        direction = "min" if way.lower().startswith(("low", "minimi")) else "max"
    name = said[1] if said else printed[1] if printed else wanted[2] if wanted else ""
    return name, direction


def _listed(text: str, around: Surroundings, heading: str) -> list[str]:
    """The files that a goal lists under a heading such as "Files in scope" or "What you CANNOT do"."""
    found, inside = [], False
    wrong = re.compile(r"cannot|off.?limits|not ", re.IGNORECASE)
    for line in text.splitlines():
        if re.match(r"#+ |\*\*[^*]+\*\*:?\s*$", line):
            title = line.lower()
            negative = wrong.search(title) is not None
            inside = re.search(heading, title) is not None and (negative == heading.startswith("cannot"))
        elif inside and line.lstrip().startswith(("-", "*")):
            # The first name of an entry is what it is about.
            names = re.findall(r"`([\w./*-]+)`", line)
            found += [name for name in names[:1] if name in around.tracked or "*" in name]
    return found


def _ideas(text: str) -> list[str]:
    """The open entries of a list: what is ticked off or struck through is done."""
    entries: list[str] = []
    for line in text.splitlines():
        if match := re.match(r"\s{0,3}(?:[-*+]|\d+[.)])\s+(.*)", line):
            entries.append(match[1])
        elif line.startswith((" ", "\t")) and line.strip() and entries:
            entries[-1] += f" {line.strip()}"
    done = re.compile(r"\[[xX]\]|~~")
    return [re.sub(r"^\[ \]\s*", "", entry).strip() for entry in entries if entry.strip() and not done.match(entry)]


def started_by(benchmark: str) -> str:
    """The command that runs a benchmark script."""
    return f"bash {PurePosixPath(benchmark)}"
