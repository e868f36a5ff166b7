"""What the portfolio asks of a proposer beside its proposals, and where the proposers are registered."""

from __future__ import annotations
