"""Whether a change was tried before on the same code."""

from __future__ import annotations

import hashlib

from autogit.protocols import Context


class Repeats:
    """Remembers the normalised changes of closed trials, which never change, so that each is read from git once."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def find(self, diff: str, context: Context) -> str:
        """What on the same base has the same change, in words: "trial 12"; empty where there is nothing."""
        wanted = digest(diff)
        for pending in context.pending:
            if pending.base == context.base and pending.diff and digest(pending.diff) == wanted:
                return "a trial that is running"
        for record in context.history.on(context.base):
            if record.id not in self._digests:
                self._digests[record.id] = digest(context.revisions.diff(record.id))
            if self._digests[record.id] == wanted:
                return f"trial {record.id} ({record.verdict})"
        return ""


def digest(diff: str) -> str:
    """Equal for diffs that take out and put in the same lines of the same files, wherever and among whatever."""
    lines: list[str] = []
    for part in diff.split("diff --git ")[1:]:
        head, _, body = part.partition("\n@@")
        lines.append(head.split("\n", 1)[0])
        lines += [line.rstrip() for line in body.split("\n") if line[:1] in ("+", "-")]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest() if lines else ""
