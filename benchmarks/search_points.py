"""The configurations that search_table.py trains: all combinations of a few changes of the shipped workspace."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autogit.config.load import load
from autogit.config.model import Config
from autogit.config.patterns import Pattern
from autogit.config.space import Choice, Space
from autogit.propose.patterns import catalogue
from autogit.propose.rewriting import rewrite
from autogit.propose.search.parameters import edited, find
from autogit.records import Value

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks/data/search-table.json.xz"
EDITABLE = ("train.py", "model.py")

HYPERPARAMETERS: dict[str, tuple[Value, ...]] = {
    "learning_rate": (5e-4, 1e-3, 2e-3, 4e-3, 8e-3),
    "batch_size": (4, 8, 16),
    "n_layer": (1, 2, 3),
    "beta2": (0.95, 0.999),
}
PATTERNS = ("gelu-to-squared-relu", "zero-init-projections", "rotary-positions", "qk-norm", "muon")
"""One of each of the catalogue's files about the model and the optimiser, chosen before anything was trained."""
CODE: dict[str, tuple[Value, ...]] = {"learning_rate": (1e-3, 2e-3, 4e-3)}
"""The hyperparameters that are crossed with the patterns."""


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration: what differs from the shipped code."""

    values: tuple[tuple[str, Value], ...]
    """All hyperparameters that the table varies, by name."""
    patterns: tuple[str, ...] = ()
    """Applied patterns, in the order of PATTERNS."""

    @property
    def key(self) -> str:
        """As it is called in the file."""
        return " ".join([*(f"{name}={value!r}" for name, value in self.values), *self.patterns])


def shipped() -> Config:
    """The configuration that the workspace comes with."""
    return load(ROOT / ".autoresearch.toml").config


def files() -> dict[str, str]:
    """The editable files as they are shipped."""
    return {path: (ROOT / "workspace" / path).read_text() for path in EDITABLE}


def space(values: Mapping[str, tuple[Value, ...]]) -> Space:
    """The search space of these lists."""
    return Space({name: Choice(listed) for name, listed in values.items()})


def chosen(names: tuple[str, ...] = PATTERNS) -> tuple[Pattern, ...]:
    """The patterns of the table, from the catalogue."""
    return tuple(next(p for p in catalogue() if p.name == name) for name in names)


@cache
def start() -> Point:
    """The shipped code."""
    found = find(space(HYPERPARAMETERS), files(), shipped().train.command)
    return Point(tuple((name, parameter.value) for name, parameter in found.parameters.items()))


def hyperparameter_points() -> list[Point]:
    """Every setting of the hyperparameters, on the shipped code."""
    return [
        Point(tuple(zip(HYPERPARAMETERS, row, strict=True))) for row in itertools.product(*HYPERPARAMETERS.values())
    ]


def code_points() -> list[Point]:
    """Every set of patterns with every setting of the hyperparameters that are crossed with them."""
    points = []
    for row in itertools.product(*CODE.values()):
        values = {**dict(start().values), **dict(zip(CODE, row, strict=True))}
        for mask in itertools.product((False, True), repeat=len(PATTERNS)):
            points.append(Point(tuple(values.items()), tuple(itertools.compress(PATTERNS, mask))))
    return points


def points() -> list[Point]:
    """All configurations, each once."""
    return list(dict.fromkeys([*hyperparameter_points(), *code_points()]))


def text_of(point: Point) -> dict[str, str]:
    """The editable files of a configuration, made by the same edits that a trial makes."""
    text = files()
    for pattern in chosen(point.patterns):
        after = rewrite(pattern, text)
        assert after is not None, f"{pattern.name} does not apply with {point.patterns}"
        text |= after
    found = find(space(HYPERPARAMETERS), text, shipped().train.command)
    after = edited(found, text, dict(point.values))
    assert after is not None
    return text | after
