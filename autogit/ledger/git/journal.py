"""What was begun and is not done yet, in a file: whoever comes after a crash reads it and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Journal:
    """One such note. Written and cleared only under the write lock: where it is found under it, its writer is dead."""

    def __init__(self, path: Path, lost: Any = None) -> None:
        """`lost`: what is read where a power cut has left the file and taken its content."""
        self._path = path
        self._lost = lost

    def note(self, facts: Any) -> None:
        """Writes it whole or not at all; `facts` is anything that JSON holds."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(facts))
        fresh.replace(self._path)

    def read(self) -> Any:
        """The facts; None where nothing was begun."""
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return self._lost

    def clear(self) -> None:
        """It is done."""
        self._path.unlink(missing_ok=True)
