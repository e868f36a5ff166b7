"""What the methods of benchmarks/search.py are given, and what they tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import search_points as points
from search_runs import Table

from autogit.records import Value


@dataclass(frozen=True, slots=True)
class Task:
    """One repetition on one track."""

    measured: Table
    values: dict[str, tuple[Value, ...]]
    """The hyperparameters that may be changed, and to what."""
    patterns: tuple[str, ...]
    budget: float
    """In full runs' worth of compute; all training counts."""
    repetition: int

    def key(self, setting: dict[str, Any]) -> str:
        """The configuration of a setting: hyperparameters by value, patterns by whether they are applied."""
        values = {**dict(points.start().values), **{name: setting[name] for name in self.values}}
        return points.Point(tuple(values.items()), tuple(n for n in self.patterns if setting[n])).key

    def options(self) -> dict[str, tuple[Value, ...]]:
        """Every dimension with its values."""
        return {**self.values, **dict.fromkeys(self.patterns, (False, True))}

    def baseline(self) -> dict[str, Any]:
        """The shipped code as a setting."""
        return {
            **{name: dict(points.start().values)[name] for name in self.values},
            **dict.fromkeys(self.patterns, False),
        }


@dataclass(slots=True)
class Trace:
    """What a method would hand over at any time."""

    spent: list[float] = field(default_factory=list)
    picks: list[str] = field(default_factory=list)
    trials: int = 0
    log: list[str] = field(default_factory=list)

    def add(self, spent: float, pick: str) -> None:
        self.spent.append(spent)
        self.picks.append(pick)

    def at(self, spent: float) -> str:
        """The pick once that much is spent; the first one before there is any other."""
        return self.picks[max(0, int(np.searchsorted(self.spent, spent, side="right")) - 1)]


Method = Callable[[Task], Trace]
