"""Which seeds decide: fixed before any diff is written, and new ones after every accepted change."""

from __future__ import annotations

from collections.abc import Iterable

from autogit.config.model import Config
from autogit.records import Record

STRIDE = 1000
"""From the first seed of one incumbent's block to the next one's: blocks never share a seed."""
AUDIT = STRIDE // 2
"""Where in a block the seeds begin that certify its incumbent; no candidate is ever judged by them."""


def block(config: Config, accepted: int) -> range:
    """The seeds that judge candidates against an incumbent that is the `accepted`-th accepted change (0: a baseline).

    The incumbent itself was chosen with seeds of an earlier block, so that its luck is not held against a candidate.
    """
    first = config.train.seed + accepted * STRIDE
    return range(first, first + AUDIT)


def audit_block(config: Config, accepted: int) -> range:
    """The seeds that certify the `accepted`-th accepted change."""
    first = config.train.seed + accepted * STRIDE + AUDIT
    return range(first, first + AUDIT)


def accepted_until(records: Iterable[Record], trial: str) -> int:
    """How many changes were accepted up to `trial`, itself included; baselines do not count."""
    count = 0
    for record in records:
        count += record.accepted and not record.trial.is_baseline
        if record.id == trial:
            break
    return count
