"""Runs jobs: believes nothing that they say, leaves nothing of them behind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autogit.execute.local import LocalExecutor as LocalExecutor
    from autogit.execute.local import job_count as job_count

_PLACES = {"LocalExecutor": "local", "job_count": "local"}
__all__ = ["LocalExecutor", "job_count"]


def __getattr__(name: str) -> Any:
    # On demand: a keeper is a process of this package, and starts with the standard library alone.
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
