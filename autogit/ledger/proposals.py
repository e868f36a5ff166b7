"""Proposals that were paid for and that no trial has taken up yet, as texts on a shelf of the lab."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from autogit.records import Proposal, Usage

SHELF = "proposals"
_WORDS = ("base", "diff", "title", "proposer", "operator", "rationale", "expected", "idea", "raw", "refused")


def name(proposal: Proposal, lab: str) -> str:
    """Of its text on the shelf, by what was paid for: it stays the same when the proposal is put on a newer `main`."""
    paid = f"{proposal.proposer}\0{proposal.usage}\0{proposal.raw}"
    return f"{lab or '-'}@{hashlib.sha256(paid.encode('utf-8', 'replace')).hexdigest()[:12]}"


def format(proposal: Proposal) -> str:
    """How it is kept."""
    return json.dumps(asdict(proposal), indent=1) + "\n"


def parse(texts: Mapping[str, str], lab: str) -> tuple[Proposal, ...]:
    """The proposals of one lab; those of others that it syncs with are theirs to try."""
    own = (_read(text) for name, text in sorted(texts.items()) if name.rpartition("@")[0] == (lab or "-"))
    return tuple(proposal for proposal in own if proposal is not None)


def _read(text: str) -> Proposal | None:
    """None for a text that is no proposal: it may have come from a remote."""
    try:
        proposal = _proposal(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    words = (getattr(proposal, name) for name in _WORDS)
    return proposal if all(isinstance(word, str) for word in words) else None


def _proposal(table: dict[str, Any]) -> Proposal:
    parameters = {key: tuple(v) if isinstance(v, list) else v for key, v in table["parameters"].items()}
    usage = None if table["usage"] is None else Usage(**table["usage"])
    return Proposal(**{**table, "parameters": parameters, "parents": tuple(table["parents"]), "usage": usage})
