"""A table for spreadsheets and pandas: a row for each trial, a column for everything that was ever measured."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from autogit.report.export import Exported
from autogit.report.exporters.files import read_text, replace_text
from autogit.wording import plain

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula: such text gets an apostrophe before it."""


class CsvExporter:
    """Adds a row for each trial; a metric or a parameter that is new becomes a column of all rows."""

    default = "trials.csv"
    hint = "pandas.read_csv('{target}')"

    def __init__(self, target: str) -> None:
        self._path = Path(target)

    def export(self, trials: Iterable[Exported]) -> int:
        """See `Exporter`."""
        rows = list(csv.DictReader(io.StringIO(read_text(self._path))))
        known = {row.get("key", "") for row in rows}
        new = [trial for trial in trials if trial.key not in known]
        rows += [_row(trial) for trial in new]
        if new:
            names = list(dict.fromkeys(name for row in rows for name in row))
            text = io.StringIO()
            writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            replace_text(self._path, text.getvalue())
        return len(new)


def _row(trial: Exported) -> dict[str, str]:
    row = {"key": trial.key} | {name: _safe(value) for name, value in trial.facts.items() if "." not in name}
    row |= {f"metric.{name}": repr(value) for name, value in trial.numbers.items()}
    return row | {f"parameter.{name}": _safe(str(value)) for name, value in trial.record.trial.parameters.items()}


def _safe(text: str) -> str:
    text = " ".join(plain(text).split())
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(FORMULA) else text
    return text
