"""Text files that grow: written anew and put in the old one's place, so that nobody reads half a line."""

from __future__ import annotations

from pathlib import Path

from autogit.errors import AutogitError


def replace_text(path: Path, text: str) -> None:
    """Puts `text` in the file's place in one step. Raises AutogitError if that cannot be."""
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8", newline="")
        new.replace(path)
    except OSError as error:
        raise AutogitError(f"cannot write {path}: {error.strerror}; name another place with --out") from None


def read_text(path: Path) -> str:
    """What is there; nothing if it is not there yet. Raises AutogitError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise AutogitError(f"cannot read {path}: {error.strerror}; name another place with --out") from None
