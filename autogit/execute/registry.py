"""The registry of executors: where runs go, chosen by `executor.backend`.

Another package adds one by an entry point in the group `autogit.executors`: its name, and a class that is made from
(config, slots), does what `protocols.Executor` says, and has a static `slots(config, jobs)`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from autogit.config.model import Config
from autogit.errors import ConfigError
from autogit.execute.local import LocalExecutor
from autogit.protocols import Executor

GROUP = "autogit.executors"


class Backend(Protocol):
    """Makes an executor."""

    def __call__(self, config: Config, slots: int = 1) -> Executor:
        """Makes one that runs so many jobs side by side. Raises ConfigError."""

    def slots(self, config: Config, jobs: int | None) -> int:
        """Returns how many jobs run side by side if a person asks for `jobs`. Raises ConfigError."""


BACKENDS: Mapping[str, Backend] = {"local": LocalExecutor}
"""The executors that come with autogit, by the name that `executor.backend` has for them."""


def backend_of(config: Config) -> Backend:
    """Returns the backend that `config` names. Raises ConfigError if there is none of that name."""
    name = config.executor.backend
    known = {**_installed(), **BACKENDS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        allowed = ", ".join(f'"{each}"' for each in sorted(known))
        raise ConfigError(f'.autoresearch.toml: executor.backend = "{name}": expected one of {allowed}{hint}')
    return known[name]


@cache
def _installed() -> Mapping[str, Backend]:
    return {point.name: point.load() for point in entry_points(group=GROUP)}
