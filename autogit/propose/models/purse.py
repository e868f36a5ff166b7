"""What models and agents cost, against the limit of one loop."""

from __future__ import annotations

import threading

from autogit.errors import ProposerError
from autogit.records import Usage

MILLION = 1_000_000


class Purse:
    """Shared by everything that costs money in one loop. `limit` None: no limit."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._spent = 0.0
        self._turn = threading.Lock()

    def pay(self, cost: float) -> None:
        """Counts a call that was made, whether or not anything came of it."""
        with self._turn:
            self._spent += cost

    def check(self) -> None:
        """Raises ProposerError where the limit is reached: the next call is not made."""
        with self._turn:
            if self._limit is not None and self._spent >= self._limit:
                raise ProposerError(
                    f"the cost limit is reached: {self._spent:.4g} spent of {self._limit:.4g} (limits.cost, --max-cost)"
                )


def priced(input_tokens: int, output_tokens: int, seconds: float, price_input: float, price_output: float) -> Usage:
    """The usage of one call; prices are for a million tokens."""
    cost = (input_tokens * price_input + output_tokens * price_output) / MILLION
    return Usage(input_tokens, output_tokens, seconds, cost)
