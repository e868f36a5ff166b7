"""The only room that speaks git: refs, notes, transactions, checkouts, recovery, sync."""

from autogit.ledger.ledger import GitLedger
from autogit.ledger.sync import Synced

__all__ = ["GitLedger", "Synced"]
