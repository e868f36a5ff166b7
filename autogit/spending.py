"""What models and agents have cost, from the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autogit.records import Record, Usage


@dataclass(frozen=True, slots=True)
class Spending:
    """The cost of all proposals that had one."""

    proposals: int
    usage: Usage
    accepted: int
    """How many of these proposals were accepted."""

    @property
    def cost_per_accepted(self) -> float | None:
        """None before the first accepted one."""
        return self.usage.cost / self.accepted if self.accepted else None


def spending(records: Iterable[Record]) -> Spending | None:
    """The total over `records`: a whole history, or what one loop has closed. None where no proposal cost anything."""
    paid = [(record, record.trial.usage) for record in records if record.trial.usage is not None]
    if not paid:
        return None
    total = sum((usage for _, usage in paid), Usage())
    return Spending(len(paid), total, sum(record.accepted for record, _ in paid))
