"""The page: one HTML file that needs nothing else, so that it can be sent, archived and read anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from autogit.history import History
from autogit.records import Record
from autogit.report.chart import HEIGHT, LEFT, RIGHT, WIDTH, chart
from autogit.wording import duration, number, percent

SHOWN = 500
"""Dead trials that the page lists, the latest; `autogit log --dead` has them all."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page tells beside the history."""

    lab: str
    """Whose report it is: the workspace's folder name."""
    made: str
    """When the page was made (ISO 8601, UTC)."""
    gain: str
    """What all accepted changes gained on fresh seeds, in words; empty where that was not measured."""
    noise: float | None
    """Standard deviation of a difference between two runs, in the metric's unit."""
    measured_by: str
    """Who says what the metric is: the protected evaluator, or the training script itself."""
    diffs: Mapping[str, str]
    """The diff of each accepted change, by the trial's id."""
    notes: Sequence[str] = ()
    """Further sentences for the head of the page (an audit, what models have cost)."""


def page(history: History, facts: Facts) -> str:
    """The report as HTML."""
    import jinja2

    text = resources.files("autogit.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": number, "percent": percent, "duration": duration, "kind": _kind}
    dead = [record for record in history if record.verdict.dead]
    best = history.best()
    return environment.from_string(text).render(
        facts=facts,
        history=history,
        best=best,
        baseline=history.baseline,
        accepted=history.accepted,
        dead=dead[-SHOWN:][::-1],
        unlisted=max(0, len(dead) - SHOWN),
        trends=history.trends(),
        chart=chart(history),
        size={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT},
        seconds=sum(record.seconds for record in history),
    )


def _kind(record: Record) -> str:
    """The style class of a verdict."""
    return "baseline" if record.trial.is_baseline else record.verdict.value.replace(" ", "-")
