"""Runs jobs: believes nothing that they say, leaves nothing of them behind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autogit.execute.local import LocalExecutor as LocalExecutor
    from autogit.execute.local import job_count as job_count
    from autogit.execute.machine import gpus as gpus
    from autogit.execute.pruning import Pruner as Pruner
    from autogit.execute.reason import useful_end as useful_end

_PLACES = {
    "LocalExecutor": "local",
    "Pruner": "pruning",
    "gpus": "machine",
    "job_count": "local",
    "useful_end": "reason",
}
__all__ = ["LocalExecutor", "Pruner", "gpus", "job_count", "useful_end"]


def __getattr__(name: str) -> Any:
    # On demand: a keeper is a process of this package, and starts with the standard library alone.
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
