"""The lab's report: what the history says, with what only a lab can tell beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autogit.errors import WorkspaceError

if TYPE_CHECKING:
    from autogit.lab import Lab

FILENAME = "report.html"


def write_report(lab: Lab, file: Path | None = None) -> Path:
    """Writes the page to `file`, or to the lab's private folder; where it is. Raises WorkspaceError."""
    from autogit.auditing import told
    from autogit.report import Facts, page
    from autogit.spending import spending

    measured = lab.noise()
    total, spent = lab.total_gain(), spending(lab.trials())
    notes = []
    if spent is not None:
        notes.append(f"Models and agents made {spent.proposals} proposals, for {spent.usage.cost:.4g} in all.")
    evaluator = lab.config.evaluate.command
    best = lab.best()
    if best is not None and (words := told(best, lab.history)):
        notes.append(f"The audit of {best.trial.ref}: {words}.")
    facts = Facts(
        lab=lab.ledger.root.name,
        made=datetime.now(UTC).isoformat(sep=" ", timespec="minutes"),
        gain="" if total is None else f"In all {total}.",
        noise=None if measured is None else measured.sd,
        measured_by="measured by the protected evaluator" if evaluator else "what the training script says of itself",
        diffs={record.id: lab.diff(record.id) for record in lab.history.accepted},
        notes=notes,
    )
    path = file or lab.ledger.private / FILENAME
    try:
        path.write_text(page(lab.history, facts), encoding="utf-8")
    except OSError as error:
        raise WorkspaceError(f"cannot write the report to {path}: {error.strerror}; name another FILE") from None
    return path
