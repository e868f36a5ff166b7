"""The only room that speaks git: refs, notes, transactions, checkouts, recovery, sync."""

from autogit.ledger.ledger import GitLedger

__all__ = ["GitLedger"]
