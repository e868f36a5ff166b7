"""Protected files, compared after a run with what they were before it.

Bubblewrap makes them read-only in the first place; a folder around them can be renamed even there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path


class Seal:
    """Remembers files as they are now."""

    def __init__(self, checkout: Path, protected: Iterable[Path]) -> None:
        self._checkout = checkout
        self._protected = tuple(protected)
        self._before = dict(self._digests())
        self._link = _bytes(checkout / ".git")

    def broken(self) -> str:
        """The first protected file that was changed, added or removed, by its path in the checkout; empty for none.

        A checkout's link to its repository is put back: git must not be led to one that a job has made.
        """
        link = self._checkout / ".git"
        if _bytes(link) != self._link and self._link is not None:
            if link.is_symlink() or link.is_file():
                link.unlink()
            if not link.exists():
                link.write_bytes(self._link)
            return ".git"
        now = dict(self._digests())
        changed = [path for path in {**self._before, **now} if self._before.get(path) != now.get(path)]
        return str(min(changed).relative_to(self._checkout)) if changed else ""

    def _digests(self) -> Iterator[tuple[Path, bytes]]:
        for place in self._protected:
            for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
                data = _bytes(path)
                if data is not None:
                    yield path, hashlib.sha256(data).digest()


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
