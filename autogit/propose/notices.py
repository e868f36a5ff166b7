"""What a proposer has to say to the person beside its proposals."""

from __future__ import annotations

from threading import Lock
from typing import Protocol, runtime_checkable


class Notices:
    """Sentences, each said once in a lifetime, until they are taken away."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._waiting: list[str] = []
        self._turn = Lock()

    def say(self, *sentences: str) -> None:
        with self._turn:
            for sentence in sentences:
                if sentence not in self._known:
                    self._known.add(sentence)
                    self._waiting.append(sentence)

    def take(self) -> tuple[str, ...]:
        """What was said since the last call, oldest first."""
        with self._turn:
            waiting, self._waiting = tuple(self._waiting), []
            return waiting


@runtime_checkable
class Speaking(Protocol):
    """A proposer with something to say."""

    @property
    def notices(self) -> Notices: ...
