"""The night in a sentence and in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

from autogit.report.facts import Facts
from autogit.wording import counted, duration, number

STEPS = "steps_to_baseline_loss"
"""The metric that says after how many steps a run had reached the baseline's loss."""


@dataclass(frozen=True, slots=True)
class Card:
    """One number of the headline."""

    label: str
    value: str
    below: str = ""


def headline(facts: Facts) -> str:
    """What came of it, in a sentence without its full stop."""
    history, best = facts.history, facts.best()
    trials = sum(not record.trial.is_baseline for record in history)
    if best is None:
        return "no trial has been accepted yet"
    done = f"{counted(trials, 'trial')}, {len(history.accepted)} accepted"
    if best.trial.is_baseline:
        return f"{done}; nothing has beaten the baseline yet"
    gained = facts.gained(best)
    return f"{done}; the best is {gained:.3g}{facts.unit} better than the baseline" if gained is not None else done


def cards(facts: Facts) -> list[Card]:
    """The numbers of the headline, each measured and not mixed from different seeds."""
    history, best = facts.history, facts.best()
    baseline = history.baseline
    if best is None or baseline is None:
        return []
    better = "lower" if facts.config.metric.direction == "min" else "higher"
    found = []
    if facts.audited is not None:
        before = "" if facts.audited.baseline is None else f"{number(facts.audited.baseline)} → "
        found.append(
            Card(f"{facts.metric} on the audit data", before + number(facts.audited.best), f"{better} is better")
        )
    if not best.trial.is_baseline:
        found.append(Card("over the baseline", _shown(facts, facts.gained(best)), f"exp/{best.id}, on shared seeds"))
    if facts.gain is not None:
        low, high = (_shown(facts, end * facts.scale) for end in (facts.gain.low, facts.gain.high))
        found.append(
            Card("proved on fresh seeds", _shown(facts, facts.gain.value * facts.scale), f"95%: {low} to {high}")
        )
    found.append(
        Card(
            f"baseline {facts.metric}",
            number(history.value(baseline)),
            f"exp/{baseline.id}, {counted(len(baseline.runs), 'seed')}",
        )
    )
    first, now = baseline.metrics.get(STEPS), best.metrics.get(STEPS)
    if first and now and not best.trial.is_baseline:
        found.append(
            Card(
                "steps to the baseline's loss",
                f"{now:,.0f}",
                f"the baseline took {first:,.0f}",
            )
        )
    seconds = sum(record.seconds for record in history)
    gpus = facts.gpu_hours()
    found.append(Card("training", duration(seconds), f"{gpus:.3g} GPU hours" if gpus else "no GPU"))
    if facts.cost is not None:
        found.append(Card("money", f"{facts.cost:.4g}", "models and agents"))
    if facts.noise is not None:
        found.append(Card("noise", number(facts.noise), "between two runs"))
    return found


def _shown(facts: Facts, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:+.2f}%" if facts.unit == "%" else f"{value:+.4g}"
