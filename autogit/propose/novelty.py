"""Whether a proposal is worth a run: it changes what the program does, and nobody tried that on this base."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Mapping
from functools import lru_cache

from autogit.diff import applied
from autogit.protocols import Context
from autogit.records import Proposal, Verdict

Outcome = frozenset[tuple[str, str]]
"""The files that a change makes different, each with the digest of what it then says."""


class Novelty:
    """Compares what proposals make of the code with what earlier ones made of it, comments and layout aside.

    What a closed trial made is read from git once.
    """

    def __init__(self) -> None:
        self._base = ""
        self._outcomes: dict[str, Outcome | None] = {}

    def objection(self, context: Context, proposal: Proposal) -> str:
        """Why running it would teach nothing; empty if it is new, or where that cannot be told from its diff."""
        outcome = _outcome(context, proposal.diff)
        if outcome is None:
            return ""
        if not outcome:
            return "it changes nothing that runs"
        if context.base != self._base:
            self._base, self._outcomes = context.base, {}
        for record in context.history.on(context.base):
            if record.verdict is not Verdict.INVALID:
                if record.id not in self._outcomes:
                    self._outcomes[record.id] = _outcome(context, context.revisions.diff(record.id))
                if self._outcomes[record.id] == outcome:
                    return f"it is the same as {record.trial.ref}"
        for waiting in context.pending:
            if waiting.base == context.base and _outcome(context, waiting.diff) == outcome:
                return "it is the same as one that waits"
        for dead in context.died:
            if dead.base == context.base and _outcome(context, dead.diff) == outcome:
                return f"it dies in its first step: {dead.refused}"
        latest = context.history.at(context.base)
        if latest is not None and not latest.trial.is_baseline:
            before = applied(context.files, context.revisions.diff(latest.id), reverse=True)
            if before is not None and _digests(context.files, before) == outcome:
                return f"it takes back {latest.trial.ref}, which was just accepted"
        return ""


def _outcome(context: Context, diff: str) -> Outcome | None:
    after = applied(context.files, diff)
    return None if after is None else _digests(context.files, after)


def _digests(files: Mapping[str, str], after: Mapping[str, str | None]) -> Outcome:
    made = {path: _digest(path, text) for path, text in after.items()}
    return frozenset((path, digest) for path, digest in made.items() if digest != _digest(path, files.get(path)))


@lru_cache(maxsize=1024)
def _digest(path: str, text: str | None) -> str:
    if text is None:
        return ""
    meaning = "\n".join(line.rstrip() for line in text.rstrip().split("\n"))
    if path.endswith(".py"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                meaning = ast.dump(_bare(ast.parse(text.removeprefix("\ufeff"))))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return hashlib.sha256(meaning.encode("utf-8", "surrogatepass")).hexdigest()


def _bare(tree: ast.AST) -> ast.AST:
    """Without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ]
    return tree
