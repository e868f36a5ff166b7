"""`autoresearch.jsonl`, as pi-autoresearch keeps it: a line that says what is measured, then one for each run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from autogit.records import Z
from autogit.report.export import Exported
from autogit.report.exporters.files import read_text, replace_text
from autogit.report.exporters.tsv import SHORT, status


class JsonlExporter:
    """Adds a line for each trial; what else is known of it stands under `asi`, which readers keep as it is."""

    default = "autoresearch.jsonl"
    hint = "jq . {target}"

    def __init__(self, target: str) -> None:
        self._path = Path(target)

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        lines = [line for line in read_text(self._path).splitlines() if line.strip()]
        known = {_key(line) for line in lines}
        new: list[str] = []
        for trial in trials:
            if trial.key not in known:
                known.add(trial.key)
                if not lines and not new:
                    new.append(json.dumps(_head(trial)))
                new.append(json.dumps(_line(trial), allow_nan=False))
        if new:
            replace_text(self._path, "\n".join([*lines, *new]) + "\n")
        return sum('"type": "config"' not in line for line in new)


def _head(trial: Exported) -> dict[str, Any]:
    better = "lower" if trial.direction == "min" else "higher"
    return {"type": "config", "name": trial.lab, "metricName": trial.metric, "metricUnit": "", "bestDirection": better}


def _line(trial: Exported) -> dict[str, Any]:
    record = trial.record
    closed = int(datetime.fromisoformat(record.closed).timestamp() * 1000) if record.closed else 0
    return {
        "run": record.trial.number,
        "commit": record.trial.commit[:SHORT],
        "metric": trial.value,
        "metrics": {name: value for name, value in record.metrics.items() if name != trial.metric},
        "status": status(trial),
        "description": record.trial.title,
        "timestamp": closed,
        "segment": 0,
        "confidence": record.statistics.get(Z),
        "asi": {"autogit": trial.key, "improvement_percent": trial.improvement, "effect": trial.effect, **trial.facts},
    }


def _key(line: str) -> str:
    """The trial of a line; empty if it is another tool's."""
    try:
        found = json.loads(line)
        return str(found["asi"]["autogit"])
    except (ValueError, KeyError, TypeError):
        return ""
