"""What a loop tells while it runs. The library never prints: whoever wants to see listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autogit.records import Record, Run, Trial


@dataclass(frozen=True, slots=True)
class Started:
    """A loop begins."""

    trials: int | None
    """How many it will make at most."""
    hours: float | None
    jobs: int
    incumbent: Record | None
    seconds: float | None = None
    """What each run gets, where time is the budget."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A trial has its number and is about to train."""

    trial: Trial
    slot: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A run goes on: it has reported a step, or a second has passed."""

    trial: Trial
    slot: int
    seed: int
    step: int | None
    loss: float | None
    seconds: float
    """Since the run started."""
    share: float | None
    """How much of its budget is used, 0 to 1, where that is known."""
    quiet: float = 0.0
    """Seconds since it last printed a line."""
    line: str = ""
    """The last line that it printed."""
    cores: float | None = None
    """Processor cores that it keeps busy, where that is known: near 0, it waits for something."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a trial has ended."""

    trial: Trial
    slot: int
    run: Run


@dataclass(frozen=True, slots=True)
class Closed:
    """A trial has its verdict, and git has it."""

    record: Record
    slot: int
    improvement: float | None
    """Over the first baseline, in percent."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The provisional line has met `main` in a race, and git has what came of it."""

    trials: tuple[Record, ...]
    """What was kept, oldest first, with the verdicts that it has now."""
    against: Record
    proved: bool
    reason: str
    improvement: float | None
    """Of `main` over the first baseline, in percent, if it was proved."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the person should know and need not act on now."""

    text: str


@dataclass(frozen=True, slots=True)
class Remaining:
    """A trial that a loop waits for before it ends."""

    trial: Trial
    done: int
    """Runs that are made,"""
    asked: int
    """of so many that were asked for until now."""
    seconds: float | None
    """About how long the rest of them takes; None if nobody knows how long a run takes."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The loop ends after the current trials."""

    reason: str
    remaining: tuple[Remaining, ...] = ()
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The loop is over."""

    reason: str
    trials: int
    """How many were closed by this loop, the baseline not counted."""
    accepted: tuple[Record, ...]
    seconds: float
    interrupted: bool
    """By the person, before a limit was reached."""
    failed: bool = False
    """Nobody could propose any more, and somebody for want of a key, a server or a working agent."""


Event = Started | Opened | Progress | Ran | Closed | Proof | Notice | Stopping | Ended
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """An observer that looks away."""
