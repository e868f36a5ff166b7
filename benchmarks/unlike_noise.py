"""The acceptance rule in labs whose trials differ in their noise, through `StandardEvaluator.decide` itself.

    python benchmarks/unlike_noise.py          # half a minute

Some changes move every seed alike (weight decay: benchmarks/data/repeats.json), others reshuffle the luck. Each lab
judges `TWINS` trials of the first kind and then forty of the second on one baseline; what is counted are the second
ones. Sizes are standard deviations of a paired difference of unlike codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from acceptance import Tally, World, judged

from autogit.config.model import Accept, Config, Metric, Train
from autogit.evaluate import StandardEvaluator
from autogit.evaluate.checks import wilson
from autogit.history import History
from autogit.records import BASELINE, Trial

TWINS = (0, 1, 3, 10)
TRIALS = 40
PAIR = 0.0095 / 2.5
"""Noise of a pair of unlike codes, as a share of the loss; between seeds it is 1.8 times as much."""
TWIN = 0.06
"""Noise of a pair in which hardly anything was changed, in the unit of the other pairs' noise."""


@dataclass(frozen=True)
class Twins(World):
    """The first `twins` trials are the baseline's runs, but for a little of their own."""

    twins: int = 0

    def loss(self, level: float, loop: int, trial: int, seed: int) -> float:
        """One run's loss."""
        if not 0 < trial <= self.twins:
            return super().loss(level, loop, trial, seed)
        little = super().loss(0.0, loop, trial, seed) / self.sigma
        return super().loss(level, loop, 0, seed) + 100 * PAIR * TWIN * little


def lab(world: Twins, effect: float, loop: int, tally: Tally) -> tuple[int, int]:
    """(accepted, judged) of the trials that are no twins."""
    config = Config(train=Train("train"), metric=Metric(), accept=Accept())
    history = History(config.metric)
    evaluator = StandardEvaluator(config, history)
    levels = {"c0": 100.0}
    accepted = 0
    for number in range(world.twins + TRIALS + 1):
        trial = Trial(f"{number}", f"c{number}", "c0", "", "simulation" if number else BASELINE, "")
        levels[trial.commit] = 100.0 - (effect * 100 * PAIR if number > world.twins else 0.0)
        record = judged(world, evaluator, history, trial, levels, loop, tally)
        history.add(record)
        accepted += number > world.twins and record.accepted
    return accepted, TRIALS


def main() -> None:
    """Prints one line for each number of twins and each effect."""
    for twins in TWINS:
        for effect, loops in ((0.0, 50), (1.0, 10), (2.0, 10)):
            sigma = 100 * 1.8 * PAIR
            world = Twins(sigma, 1 - (1 / 1.8) ** 2 / 2, twins=twins)
            counts = [lab(world, effect, loop, Tally()) for loop in range(loops)]
            hits, total = (sum(column) for column in zip(*counts, strict=True))
            low, high = wilson(hits, total)
            print(f"{twins:3} twins, effect {effect:g}: accepted {hits / total:6.2%} ({low:.2%} to {high:.2%})")


if __name__ == "__main__":
    main()
