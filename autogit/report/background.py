"""Work that no loop waits for: done in a thread of its own, and what fails is left out and told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Item = TypeVar("Item")
LAST_SECONDS = 120.0
"""So long a loop that has ended waits for what is still under way."""


class Background(Generic[Item]):
    """Hands items to several takers by their names, one after the other."""

    def __init__(self, takers: Mapping[str, Callable[[Item], object]], failed: str) -> None:
        """`failed` is what the person is told: {name} and {error} stand for what they say."""
        self._takers = dict(takers)
        self._failed = failed
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody takes anything."""
        return not self._takers

    def put(self, item: Item) -> None:
        """Hands an item over and returns at once."""
        if self._takers and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="background", daemon=True)
            self._thread.start()
        self._queue.put(item)

    def end(self) -> None:
        """Waits until everything is taken, for two minutes at most."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(LAST_SECONDS)
            self._thread = None

    def take(self) -> list[str]:
        """What the person should know since the last call."""
        found = []
        while not self._notices.empty():
            found.append(self._notices.get())
        return found

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            for name, taker in list(self._takers.items()):
                try:
                    taker(item)
                except Exception as error:  # another's code: whatever it raises, the loop goes on
                    del self._takers[name]
                    self._notices.put(self._failed.format(name=name, error=error))
