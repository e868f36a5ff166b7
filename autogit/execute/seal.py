"""Protected files, compared after a run with what they were before it.

Bubblewrap makes them read-only in the first place; a folder around them can be renamed even there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from autogit.files import open_regular, read_regular, remove_tree, walk


class Seal:
    """Remembers files as they are now."""

    def __init__(self, checkout: Path, protected: Iterable[Path]) -> None:
        self._checkout = checkout
        self._protected = tuple(protected)
        self._before = dict(self._digests())
        self._link = read_regular(checkout / ".git")
        self._had_no_git = not os.path.lexists(checkout / ".git")

    def broken(self) -> str:
        """Returns the first protected file that was changed, added or removed, by its path in the checkout.

        Empty if there is none.

        A checkout's link to its repository is put back, and one that it never had is removed: git must not be led to
        one that a job has made.
        """
        link = self._checkout / ".git"
        if self._had_no_git:
            remove_tree(link)
        elif self._link is not None and read_regular(link) != self._link:
            remove_tree(link)
            if self._checkout.is_dir():
                link.write_bytes(self._link)
            return ".git"
        now = dict(self._digests())
        changed = [path for path in {**self._before, **now} if self._before.get(path) != now.get(path)]
        return str(min(changed).relative_to(self._checkout)) if changed else ""

    def _digests(self) -> Iterator[tuple[Path, bytes]]:
        for place in self._protected:
            yield place, _digest(place)
            if not place.is_symlink() and place.is_dir():
                try:
                    for name, _ in walk(place):
                        yield place / name, _digest(place / name)
                except OSError:
                    yield place, b"cannot be walked"


def _digest(path: Path) -> bytes:
    """What tells one state of a file from another; a folder is only that it is one."""
    try:
        facts = os.lstat(path)
    except (OSError, ValueError):
        return b"absent"
    kind = stat.S_IFMT(facts.st_mode).to_bytes(4, "big")
    if stat.S_ISLNK(facts.st_mode):
        kind += os.fsencode(os.readlink(path)) + b"\0"  # noqa: PTH115
    # What a link leads to counts: it may lie in the checkout.
    file = open_regular(path, follow=True)
    if file is None:
        return kind
    with file:
        return kind + hashlib.file_digest(file, "sha256").digest()
