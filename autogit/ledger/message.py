"""Commit messages of trials: a title, the rationale, and trailers with all that is known before the first run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from autogit.ledger.git import commits
from autogit.ledger.git.objects import ObjectStore
from autogit.ledger.ids import ID
from autogit.records import BASELINE, Proposal, Trial, Usage

_TRAILER = re.compile(r"(Autogit-[A-Za-z]+): (.*)")
_USAGE = ("input_tokens", "output_tokens", "seconds", "cost")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def format(proposal: Proposal, id: str) -> str:
    """The message of the commit of trial `id`."""
    trailers = {
        "Autogit-Trial": id,
        "Autogit-Base": proposal.base,
        "Autogit-Proposer": one_line(proposal.proposer),
        "Autogit-Operator": one_line(proposal.operator),
    }
    if proposal.parents:
        trailers["Autogit-Parents"] = " ".join(proposal.parents)
    if proposal.parameters:
        trailers["Autogit-Parameters"] = json.dumps(dict(proposal.parameters))
    if proposal.idea:
        trailers["Autogit-Idea"] = one_line(proposal.idea)
    if proposal.expected:
        trailers["Autogit-Expected"] = one_line(proposal.expected)
    if proposal.usage is not None:
        trailers["Autogit-Usage"] = json.dumps({name: getattr(proposal.usage, name) for name in _USAGE})
    if proposal.refused:
        trailers["Autogit-Refused"] = one_line(proposal.refused)
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    return "\n\n".join(filter(None, (title(proposal), clean(proposal.rationale).strip(), lines))) + "\n"


def title(proposal: Proposal) -> str:
    """The first line; never empty."""
    return one_line(proposal.title) or one_line(proposal.operator) or "Untitled"


def trial(store: ObjectStore, id: str, commit: str) -> Trial:
    """Trial `id`, whose branch or tag is on `commit`. On a commit that was not made for it, it is a baseline."""
    found = parse(commits.read(store, commit).message, commit)
    if found is not None and found.id == id:
        return found
    return Trial(id, commit, commit, "Baseline", BASELINE, BASELINE)


def trailers(message: str) -> Mapping[str, str]:
    """The trailers of a trial's commit; empty for anyone else's."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    pairs = [_TRAILER.fullmatch(line) for line in last.split("\n")]
    return {match[1]: match[2] for match in pairs if match}


def parse(message: str, commit: str) -> Trial | None:
    """Returns the trial that a commit was made for; None if it is no trial's commit."""
    facts = trailers(message)
    if not ID.fullmatch(facts.get("Autogit-Trial", "")):
        return None
    parts = message.rstrip("\n").split("\n\n")
    usage, parameters = _table(facts.get("Autogit-Usage")), _table(facts.get("Autogit-Parameters"))
    return Trial(
        id=facts["Autogit-Trial"],
        commit=commit,
        base=facts.get("Autogit-Base", ""),
        title=parts[0],
        proposer=facts.get("Autogit-Proposer", ""),
        operator=facts.get("Autogit-Operator", ""),
        rationale="\n\n".join(parts[1:-1]),
        expected=facts.get("Autogit-Expected", ""),
        parameters={k: tuple(v) if isinstance(v, list) else v for k, v in (parameters or {}).items()},
        parents=tuple(facts.get("Autogit-Parents", "").split()),
        usage=_usage(usage),
        idea=facts.get("Autogit-Idea", ""),
    )


def _table(text: str | None) -> dict[str, Any] | None:
    """What a trailer holds as JSON; None if it is missing or no table."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _usage(table: dict[str, Any] | None) -> Usage | None:
    if table is None or not all(type(table.get(name)) in (int, float) for name in _USAGE):
        return None
    return Usage(*(table[name] for name in _USAGE))


def one_line(text: str) -> str:
    """All on one line, without what git or a terminal would take for more than text."""
    return " ".join(clean(text).split())


def clean(text: str) -> str:
    """Text that a commit message can carry: UTF-8, no control characters but tab and newline."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").encode("utf-8", "replace").decode())
