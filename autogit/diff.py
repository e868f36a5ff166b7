"""Canonical unified diffs: what every proposal looks like, whoever made it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

NO_NEWLINE = "\\ No newline at end of file\n"


def unified(before: Mapping[str, str], after: Mapping[str, str | None], context: int = 3) -> str:
    """A git-style diff from `before` to `after`, for the paths that `after` names, in their order.

    Text is compared by "\\n" alone, so that "\\r\\n" and lone form feeds stay what they are. A path that is missing in
    `before` is a new file, one that is None in `after` a deleted one; equal texts give nothing.
    """
    return "".join(line for path, new in after.items() for line in _file(path, before.get(path), new, context))


def _file(path: str, old: str | None, new: str | None, context: int) -> Iterator[str]:
    if old == new:
        return
    name_a, name_b = quoted(f"a/{path}"), quoted(f"b/{path}")
    yield f"diff --git {name_a} {name_b}\n"
    if old is None:
        yield "new file mode 100644\n"
    if new is None:
        yield "deleted file mode 100644\n"
    lines = difflib.unified_diff(_lines(old or ""), _lines(new or ""), "/dev/null" if old is None else name_a,
                                 "/dev/null" if new is None else name_b, n=context)  # fmt: skip
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}"


def grown_by(diff: str) -> int:
    """Lines added minus lines removed."""
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    return sum(line.startswith("+") for line in lines) - sum(line.startswith("-") for line in lines)


def quoted(path: str) -> str:
    """A path as git writes it in a diff: in C-style quotes where it holds bytes that need them."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if not any(c in special or ord(c) < 32 or ord(c) == 127 for c in path):
        return path
    return (
        '"' + "".join(special.get(c) or (f"\\{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c) for c in path) + '"'
    )


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
