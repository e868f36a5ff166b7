"""The report as a notebook whose cells ask the lab itself, to go on from there."""

from __future__ import annotations

import json
from typing import Any

from autogit.report.facts import Facts
from autogit.report.headline import headline
from autogit.report.markdown import escaped

CELLS = (
    "from autogit import Lab\n\nlab = Lab.open({folder!r})\nlab",
    "lab.best()",
    "[(record.id, str(record.verdict), record.trial.title, lab.improvement(record)) for record in lab.top(10)]",
    "lab.trends()",
    "print(lab.diff(lab.best().id))",
    "lab.curves(lab.best().id)",
)


def notebook(facts: Facts) -> str:
    """A notebook of format 4.5; nothing in it is run yet."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "markdown",
            "id": "title",
            "metadata": {},
            "source": f"# {escaped(facts.lab)}\n\n{headline(facts)}",
        }
    ]
    for position, source in enumerate(CELLS):
        cells.append(
            {
                "cell_type": "code", "id": f"cell-{position}", "metadata": {}, "execution_count": None, "outputs": [],
                "source": source.format(folder=facts.folder),
            }
        )  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
