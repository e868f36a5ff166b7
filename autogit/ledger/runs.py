"""Finished runs of open trials, as texts on a shelf of the lab: what was paid for is kept until the trial is closed.

They stand under the commit that they are of, so that another clone that measures the same commit need not make them
again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from autogit.ledger import attachments, record
from autogit.protocols import KeptRun

SHELF = "runs"


def name(commit: str, seed: int) -> str:
    """Returns the name of a run's text on the shelf."""
    return f"{commit}@{seed}"


def is_of(name: str, commit: str) -> bool:
    """Whether the text of this name is of a run of `commit`."""
    return name.rpartition("@")[0] == commit


def format(kept: KeptRun) -> str:
    """Returns how a run is kept."""
    curves = [] if kept.curve is None else [kept.curve]
    table = {
        "run": {key: value for key, value in asdict(kept.run).items() if value is not None},
        "curve": attachments.format_curves(curves),
        "log": attachments.bounded(kept.log),
        "reproduce": kept.reproduce,
        "spared": kept.spared,
        "environment": dict(kept.environment),
    }
    return json.dumps(table, indent=1) + "\n"


def parse(texts: Mapping[str, str], commit: str) -> tuple[KeptRun, ...]:
    """Returns the runs of a commit by their seeds. A text that is no run is left out: it may come from a remote."""
    found = (_read(text) for name, text in texts.items() if is_of(name, commit))
    return tuple(sorted((kept for kept in found if kept is not None), key=lambda kept: kept.run.seed))


def _read(text: str) -> KeptRun | None:
    try:
        table = json.loads(text)
        curves = attachments.parse_curves(table["curve"])
        kept = KeptRun(
            run=record.run_of(table["run"]),
            curve=curves[0] if curves else None,
            log=table["log"],
            reproduce=table["reproduce"],
            spared=bool(table["spared"]),
            environment=record.scalars(table["environment"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return kept if isinstance(kept.log, str) and isinstance(kept.reproduce, str) else None
