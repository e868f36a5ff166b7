"""autogit runs machine-learning research as git history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autogit.lab import Lab as Lab

__version__ = "0.1.0"
__all__ = ["Lab", "__version__"]


def __getattr__(name: str) -> Any:
    # On demand, so that `autogit --help` does not wait for numpy and git.
    if name == "Lab":
        from autogit.lab import Lab

        return Lab
    raise AttributeError(f"module 'autogit' has no attribute {name!r}")
