"""One trial made for a client: it trains in a thread, tells how it goes, and can be given up."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from autogit.events import Closed, Event, Notice, Opened, Progress, Ran
from autogit.wording import number, plain

TELL_SECONDS = 1.0
"""Between two messages of which only the progress of a run is new."""

Tell = Callable[[float, str], Awaitable[None]]
"""(seconds since the call began, what happens) -> told."""
Say = Callable[[str], None]
"""Takes what happens, in words, from the thread in which it does."""
Made = TypeVar("Made")


@dataclass(slots=True)
class Trying:
    """Makes one trial at a time; a second call waits until the first is done."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _cancel: threading.Event | None = None

    @property
    def runs(self) -> bool:
        """Whether a trial is being made."""
        return self._cancel is not None

    def give_up(self) -> bool:
        """Gives up the trial that is being made; returns whether there was one. It stays open in git."""
        if self._cancel is None:
            return False
        self._cancel.set()
        return True

    async def make(self, attempt: Callable[[Say, threading.Event], Made], tell: Tell) -> Made:
        """Returns what `attempt` makes in a thread, and tells what it says meanwhile.

        If the call is cancelled, the trial is given up, and what it has started has ended before this ends.
        """
        since, loop, events = time.monotonic(), asyncio.get_running_loop(), asyncio.Queue[str | None]()
        if self._turn.locked():
            await tell(0.0, "waits for the trial that is being made")
        async with self._turn:
            cancel = self._cancel = threading.Event()

            def say(words: str | None) -> None:
                loop.call_soon_threadsafe(events.put_nowait, words)

            def make() -> Made:
                try:
                    return attempt(say, cancel)
                finally:
                    say(None)

            work = asyncio.ensure_future(asyncio.to_thread(make))
            try:
                with _interruptible(loop, cancel):
                    while (words := await events.get()) is not None:
                        await tell(time.monotonic() - since, words)
                    return await asyncio.shield(work)
            finally:
                cancel.set()
                await _ended(work)
                self._cancel = None


async def _ended(work: asyncio.Future[Made]) -> None:
    """Waits until the thread has ended, even if the call is cancelled: it holds the lab until then."""
    with anyio.CancelScope(shield=True):
        await asyncio.wait([work])
    if not work.cancelled():
        # Who awaited the work has its error already; if nobody does any more, it is nobody's.
        work.exception()


@contextmanager
def _interruptible(loop: asyncio.AbstractEventLoop, cancel: threading.Event) -> Iterator[None]:
    """An interrupt (`autogit stop` in a terminal) gives up the trial, and not the whole server."""
    loop.add_signal_handler(signal.SIGINT, cancel.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


class Words:
    """An observer that says in words what happens, and not too often."""

    def __init__(self, metric: str, say: Say) -> None:
        """`metric`: the primary one, which is told of each run."""
        self._metric = metric
        self._say = say
        self._said = -TELL_SECONDS

    def tell(self, event: Event) -> None:
        """Takes an event of the trial."""
        now = time.monotonic()
        if isinstance(event, Progress):
            if now - self._said < TELL_SECONDS:
                return
            self._said = now
        if words := told(event, self._metric):
            self._say(plain(words))


def told(event: Event, metric: str) -> str:
    """Returns an event of a trial in words, of a run with its primary metric; empty if there is nothing to say."""
    match event:
        case Opened(trial=trial):
            return f"{trial.ref} trains: {trial.title}"
        case Progress(trial=trial, seed=seed, step=None, line=line):
            return f"{trial.ref} seed {seed}: {line.strip() or 'has printed nothing yet'}"
        case Progress(trial=trial, seed=seed, step=step, loss=loss, share=share):
            part = "" if share is None else f" ({share:.0%} of its budget)"
            return f"{trial.ref} seed {seed}: step {step} loss {number(loss)}{part}"
        case Ran(trial=trial, run=run):
            value = run.metrics.get(metric)
            measured = f", {metric} {number(value)}" if value is not None else ""
            return f"{trial.ref} seed {run.seed}: {run.status}{measured}"
        case Closed(record=record):
            return f"{record.trial.ref}: {record.verdict}"
        case Notice(text=text):
            return text
        case _:
            return ""
