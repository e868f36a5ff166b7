"""What a loop is doing right now, in a small file that `autogit status` reads from another terminal."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from autogit.errors import WorkspaceError
from autogit.events import Closed, Ended, Event, Notice, Opened, Progress, Ran, Started, Stopping

FILENAME = "live.json"
INTERVAL = 1.0
"""Seconds between two writes where only the progress of a run has changed."""
ANSWER_SECONDS = 20.0
"""A loop has so long to take a signal in."""
POLL_SECONDS = 0.05
"""Seconds after which a signal that was taken in is noticed."""
CURVE_POINTS = 240
"""Most points of a running trial's curve; with more, every second one is left out."""
TAIL_LINES = 12
TAIL_COLUMNS = 400
"""Characters of a line that are kept."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One trial in work. Times are seconds since the epoch."""

    trial: str
    title: str
    since: float
    seed: int | None = None
    step: int | None = None
    loss: float | None = None
    share: float | None = None
    """How much of the run's budget is used, 0 to 1, where that is known."""
    heard: float | None = None
    """When the run last printed a line; None between two runs."""
    line: str = ""
    """That line."""
    cores: float | None = None
    """Processor cores that the run keeps busy, where that is known."""
    curve: tuple[tuple[int, float], ...] = ()
    """(step, loss) of the run until now, thinned."""
    tail: tuple[str, ...] = ()
    """The latest lines that were heard, of the run before too."""


@dataclass(frozen=True, slots=True)
class Live:
    """A loop at one moment."""

    pid: int
    started: float
    trials: int | None
    """How many it will make at most."""
    hours: float | None
    jobs: int
    closed: int = 0
    """Trials that this loop has closed, baselines not counted."""
    stopping: str = ""
    """Why it ends after the current trials, where it does."""
    slots: dict[int, Slot] = field(default_factory=dict)
    notice: str = ""
    """The latest words to the person since a trial was opened: which try of a model is waited for, and why."""


class LiveFile:
    """An observer that keeps the file up to date while the loop runs, and takes it away at its end."""

    def __init__(self, private: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = private / FILENAME
        self._clock = clock
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._written = -INTERVAL

    def tell(self, event: Event) -> None:
        """Takes an event in; a reader never sees half a file."""
        with self._lock:
            now = self._clock()
            if isinstance(event, Started):
                self._live = Live(os.getpid(), now, event.trials, event.hours, event.jobs)
            elif isinstance(event, Ended):
                self._path.unlink(missing_ok=True)
                self._live = None
                return
            if self._live is None:
                return
            self._live = _after(self._live, event, now)
            if not isinstance(event, Progress):
                # What follows is news: a run that reports once and then works for hours is seen, too.
                self._written = -INTERVAL
                self._write(self._live)
            elif now - self._written >= INTERVAL:
                self._written = now
                self._write(self._live)

    def _write(self, live: Live) -> None:
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps(asdict(live)))
            new.replace(self._path)
        except OSError:
            # A full disk must not end a loop for the sake of its display.
            return


def read_live(private: Path, pid: int) -> Live | None:
    """What the loop of process `pid` is doing; None where it has not begun, or what is there is another's."""
    try:
        table = json.loads((private / FILENAME).read_text())
    except (FileNotFoundError, ValueError):
        return None
    slots = {int(number): _slot(slot) for number, slot in table.pop("slots").items()}
    live = Live(**table, slots=slots)
    return live if live.pid == pid else None


def end(running: Callable[[], int | None], private: Path, now: bool) -> int:
    """Asks the loop that `running` tells of to end after the current trial, or `now`; returns its process.

    Raises WorkspaceError if no loop runs, or if it does not answer.
    """
    pid = running()
    if pid is None:
        raise WorkspaceError("no loop runs on this lab: there is nothing to stop")

    def stopping() -> bool:
        live = read_live(private, pid)
        return running() != pid or (live is not None and bool(live.stopping))

    if not stopping():
        os.kill(pid, signal.SIGINT)
        # A second signal that comes before the first is taken in would be the same one.
        end = time.monotonic() + ANSWER_SECONDS
        while not stopping():
            if time.monotonic() > end:
                raise WorkspaceError(
                    f"the loop (process {pid}) does not answer; end it with: kill {pid} (nothing is lost)"
                )
            time.sleep(POLL_SECONDS)
    if now and running() == pid:
        os.kill(pid, signal.SIGINT)
    return pid


def _after(live: Live, event: Event, now: float) -> Live:
    slots = dict(live.slots)
    closed = live.closed
    match event:
        case Opened(trial=trial, slot=slot):
            slots[slot] = Slot(trial.id, trial.title, now)
            live = replace(live, notice="")
        case Progress(slot=slot) if slot in slots:
            before = slots[slot]
            slots[slot] = Slot(
                before.trial, before.title, before.since, event.seed, event.step, event.loss, event.share,
                now - event.quiet, event.line, event.cores, _grown(before.curve, event), _heard(before, event),
            )  # fmt: skip
        case Ran(slot=slot) if slot in slots:
            before = slots[slot]
            slots[slot] = Slot(before.trial, before.title, before.since, tail=before.tail)
        case Closed(record=record, slot=slot):
            slots.pop(slot, None)
            closed += not record.trial.is_baseline
        case Notice(text=text):
            live = replace(live, notice=text)
        case Stopping(reason=reason):
            return replace(live, stopping=reason)
        case _:
            pass
    return replace(live, slots=slots, closed=closed)


def _slot(table: dict[str, Any]) -> Slot:
    curve = tuple((int(step), float(loss)) for step, loss in table.pop("curve", ()))
    return Slot(**{**table, "curve": curve, "tail": tuple(table.get("tail", ()))})


def _grown(curve: tuple[tuple[int, float], ...], event: Progress) -> tuple[tuple[int, float], ...]:
    """The curve with what was reported now; of too many points every second one goes."""
    if event.step is None or event.loss is None or not math.isfinite(event.loss):
        return curve
    if curve and event.step <= curve[-1][0]:
        return curve
    grown = (*curve, (event.step, event.loss))
    return grown if len(grown) <= CURVE_POINTS else grown[::2]


def _heard(before: Slot, event: Progress) -> tuple[str, ...]:
    line = event.line[:TAIL_COLUMNS]
    same = event.line == before.line and event.step == before.step
    return before.tail if not line or same else (*before.tail, line)[-TAIL_LINES:]
