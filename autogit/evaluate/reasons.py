"""The sentence that a verdict is recorded with."""

from __future__ import annotations

from autogit.evaluate.objective import Objective
from autogit.records import Record


def comparison(objective: Objective, merit: float, gain: float, incumbent: Record) -> str:
    """`val_loss 2.8713 is 0.0389 below exp/12`."""
    value = f"{objective.name} {objective.shown(merit):.5g}"
    if gain == 0:
        return f"{value} equals that of {incumbent.trial.ref}"
    side = "below" if objective.shown(gain) < 0 else "above"
    return f"{value} is {abs(gain):.3g} {side} {incumbent.trial.ref}"


def interval(objective: Objective, low: float, high: float) -> str:
    """The interval of a gain, as a distance in the direction that is better: `95% interval 0.021 to 0.057 below`."""
    better = "below" if objective.direction == "min" else "above"
    return f"95% interval {low:.3g} to {high:.3g} {better}"
