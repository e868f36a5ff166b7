"""The files of a repository that a person may start to train."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from autogit.setup.commands import Command
from autogit.setup.imports import closure
from autogit.setup.metrics import printed, printed_by
from autogit.setup.surroundings import Surroundings, parsed

_LEAST = 2
"""Points of a candidate; with fewer it is one only if nothing else is."""
_LEADS = 7
"""Points of a script that trains and that the project's own texts start."""
_FIRST = 3
"""Points more for the first of those."""
_TRAINS = re.compile(
    r"\.backward\(|\.fit\(|\.fit_transform\(|\boptim(izer)?\b|optax|cross_val_score|value_and_grad|\bjax\.grad|GradientTape|"
    r"\btrain\(|\.train\(|\.learn\(|\bTrainer\(|LightningCLI|\.minimize\(|[-+]=\s*\w*(lr|learning_rate|step_size|eta|alpha)\s*\*"
)
_ASIDE = re.compile(
    r"(^|_)(eval|evaluate|evaluation|test|tests|sample|sampling|generate|generation|infer|inference|predict|plot|viz|"
    r"visuali[sz]e|download|prepare|preprocess|bench|benchmark|setup|demo|export|convert|utils?|helpers?|config|dataset|data|"
    r"model|models|tokenizer|chat|gradio|app|server|profile)(_|$|\d)"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be what a person starts to train."""

    path: str
    score: int
    why: str
    """What speaks for it, in words."""


def candidates(around: Surroundings, told: Sequence[Command]) -> list[Candidate]:
    """The Python files that look like what one starts to train, the likeliest first."""
    found: list[Candidate] = []
    first = {command.target: place for place, command in reversed(list(enumerate(told)))}
    files = [(path, text) for path, text in around.texts.items() if path.endswith(".py") and runnable(path, text)]
    # First what says so itself; what only its imports train is looked for if there is nothing else.
    for deep in (False, True):
        each = (_candidate(path, text, around, first.get(path), told, deep) for path, text in files)
        found = found or [candidate for candidate in each if candidate is not None]
    found = [c for c in found if c.score >= _LEAST] or found
    # What the project's own text starts first goes before a likelier name.
    leading = min(
        (c for c in found if c.path in first and c.score >= _LEADS), key=lambda c: first[c.path], default=None
    )
    if leading is not None:
        found[found.index(leading)] = replace(leading, score=leading.score + _FIRST)
    # Of scripts alike, one that says what came of it can be judged.
    mute = {c.path: not printed_by(closure(c.path, around.texts).python, around.texts) for c in found}
    return sorted(
        found, key=lambda c: (-c.score, first.get(c.path, len(told)), mute[c.path], c.path.count("/"), c.path)
    )


def runnable(path: str, text: str) -> bool:
    """Whether running a file does something: it has a main guard, or statements of its own."""
    tree = parsed(text)
    if tree is None:
        return False
    name = PurePosixPath(path).name
    if name == "__main__.py" or ("__main__" in text and re.search(r"__name__\s*==", text) is not None):
        return True
    if name == "__init__.py":
        return False
    # The docstring is an expression, too; so is a call that only sets something up.
    loose = [n for n in tree.body if isinstance(n, ast.For | ast.While | ast.With | ast.Expr | ast.Try | ast.Assign)]
    loose = [n for n in loose if any(isinstance(x, ast.Call) for x in ast.walk(n))]
    return (
        any(isinstance(n, ast.For | ast.While) for n in loose)
        or any(_TRAINS.search(_source(text, n)) for n in loose)
        or (any(isinstance(n, ast.Expr) for n in loose) and len(loose) > 1)
    )


def _candidate(
    path: str, text: str, around: Surroundings, place: int | None, told: Sequence[Command], deep: bool
) -> Candidate | None:
    stem = PurePosixPath(path).stem.lower()
    why = []
    score = 0
    if place is not None:
        score += 5
        why.append(f"{told[place].source} starts it")
    name = 4 if stem == "train" else 3 if stem in ("training", "pretrain") else 0
    name = name or (
        2 if re.search(r"train|finetune|(^|_)fit", stem) else 1 if stem in ("main", "run", "__main__") else 0
    )
    trains = bool(_TRAINS.search(text))
    near = deep or place is not None or name > 0
    inside = trains or (
        near and any(_TRAINS.search(around.texts.get(p, "")) for p in closure(path, around.texts).python[1:])
    )
    if inside:
        score += 3 if trains else 2
        why.append("it trains" if trains else "what it imports trains")
    aside = _ASIDE.search(stem) is not None and not re.search(r"train", stem)
    score += name
    if aside:
        score -= 4
    if name:
        why.append("its name says so")
    if not (inside or name >= 2 or (place is not None and not aside) or (name and printed(text, path))):
        return None
    return Candidate(path, score, ", ".join(why)) if score >= _LEAST or trains else None


def _source(text: str, node: ast.stmt) -> str:
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
