"""Queued ideas as texts on a shelf of the lab: one for each, written once and never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from autogit.records import Idea

SHELF = "ideas"


def new(text: str) -> Idea:
    """An idea of this moment."""
    added = datetime.now(UTC).isoformat(timespec="milliseconds")
    name = hashlib.sha256(f"{added}\0{text}".encode("utf-8", "replace")).hexdigest()[:8]
    return Idea(name, text.strip(), added)


def format(idea: Idea) -> str:
    """How it is kept: when it was queued, and its words."""
    return f"{idea.added}\n{idea.text}\n"


def parse(texts: Mapping[str, str]) -> tuple[Idea, ...]:
    """The ideas of a shelf, oldest first."""
    pairs = ((name, *text.split("\n", 1)) for name, text in texts.items() if "\n" in text)
    return tuple(sorted((Idea(name, words.strip(), added) for name, added, words in pairs), key=_age))


def _age(idea: Idea) -> tuple[str, str]:
    return idea.added, idea.id
