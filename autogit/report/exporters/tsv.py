"""`results.tsv`, as karpathy's autoresearch keeps it: commit, metric, memory, status, description."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autogit.records import RunStatus, Verdict
from autogit.report.export import Exported
from autogit.report.exporters.files import read_text, replace_text
from autogit.wording import plain

SHORT = 7
"""Digits of a commit."""


class TsvExporter:
    """Adds a line for each trial. A crash has `nan`, not 0: a zero would be the best loss of all."""

    default = "results.tsv"
    hint = "column -ts $'\\t' {target}"

    def __init__(self, target: str) -> None:
        self._path = Path(target)

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        lines = read_text(self._path).splitlines()
        known = {tuple(line.split("\t")[:1] + line.split("\t")[4:5]) for line in lines[1:]}
        new = []
        for trial in trials:
            cells = [trial.record.trial.commit[:SHORT], *_middle(trial), _described(trial)]
            if (cells[0], cells[4]) not in known:
                known.add((cells[0], cells[4]))
                if not lines:
                    lines = ["\t".join(["commit", trial.metric, "memory_gb", "status", "description"])]
                new.append("\t".join(cells))
        if new:
            replace_text(self._path, "\n".join([*lines, *new]) + "\n")
        return len(new)


def status(trial: Exported) -> str:
    """`keep`, `discard` or `crash`."""
    if trial.record.accepted:
        return "keep"
    crashed = (Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.UNSTABLE, Verdict.INVALID)
    failed = any(run.status is RunStatus.CRASHED for run in trial.record.runs)
    return "crash" if trial.record.verdict in crashed or failed else "discard"


def memory_gb(trial: Exported) -> float:
    """The largest memory that a run reports, in GB; 0 if none does."""
    found = [value for name, value in trial.record.metrics.items() if name in ("peak_memory_mb", "peak_vram_mb")]
    return max(found, default=0.0) / 1024


def _middle(trial: Exported) -> list[str]:
    value = "nan" if trial.value is None else f"{trial.value:.6f}"
    return [value, f"{memory_gb(trial):.1f}", status(trial)]


def _described(trial: Exported) -> str:
    """One line that a tab does not break; the trial's own name keeps lines of one commit apart."""
    return " ".join(plain(f"{trial.record.trial.ref}: {trial.record.trial.title}").split())
