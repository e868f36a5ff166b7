"""Whether a change was tried before: on the same code, or anywhere in the lab's history."""

from __future__ import annotations

import hashlib

from autogit.protocols import Context
from autogit.records import Record, Verdict

LOOKED_BACK = 300
"""Trials of the lab's history among which a change is looked for on other code."""


class Repeats:
    """Remembers the normalised changes of closed trials, which never change, so that each is read from git once."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def find(self, diff: str, context: Context) -> str:
        """Returns what made the same change of the same code, in words ("of the same code is trial 12 (rejected)").

        Empty if nothing did.
        """
        wanted = digest(diff)
        for pending in context.pending:
            if pending.base == context.base and pending.diff and digest(pending.diff) == wanted:
                return "of the same code is a trial that is running"
        here = context.history.on(context.base)
        for record in here:
            if self._of(record, context) == wanted:
                return f"of the same code is trial {record.id} ({record.verdict})"
        return ""

    def elsewhere(self, diff: str, context: Context) -> str:
        """Returns which trial on other code made the same change, and what became of it; empty if none did."""
        wanted = digest(diff)
        for record in reversed(list(context.history)[-LOOKED_BACK:]):
            trial = record.trial
            if trial.is_baseline or trial.base == context.base or record.verdict is Verdict.INVALID:
                continue
            if self._of(record, context) == wanted:
                effect = context.history.effect(record)
                gain = "" if effect is None else f", {abs(effect):.4g} {'better' if effect > 0 else 'worse'} there"
                return f"tried before on other code as trial {record.id} ({record.verdict}{gain})"
        return ""

    def with_elsewhere(self, rationale: str, diff: str, context: Context) -> str:
        """Returns the rationale of a change, with the trial on other code that made the same one, if any did."""
        found = self.elsewhere(diff, context) if diff else ""
        return f"{rationale} ({found})".strip() if found else rationale

    def _of(self, record: Record, context: Context) -> str:
        if record.id not in self._digests:
            self._digests[record.id] = digest(context.revisions.diff(record.id))
        return self._digests[record.id]


def digest(diff: str) -> str:
    """Returns a text that is equal for diffs that take out and put in the same lines of the same files, wherever."""
    lines: list[str] = []
    for part in diff.split("diff --git ")[1:]:
        head, _, body = part.partition("\n@@")
        lines.append(head.split("\n", 1)[0])
        lines += [line.rstrip() for line in body.split("\n") if line[:1] in ("+", "-")]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest() if lines else ""
