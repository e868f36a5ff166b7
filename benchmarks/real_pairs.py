"""The acceptance rule on real runs: those that benchmarks/repeats.py made, drawn again and again in another order.

Part of `python benchmarks/acceptance.py`. Gains are in nats per byte, positive where the change is better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autogit.evaluate.checks import wilson
from autogit.evaluate.noise import moderated, normal_score, student_deviate
from autogit.evaluate.race import Race, Step
from autogit.evaluate.rules import INTERVAL_Z

RUNS = Path(__file__).parent / "data" / "repeats.json"
DRAWS = 4_000


def raced(bounds: Race, gains: Sequence[float], others: Sequence[Sequence[float]]) -> tuple[bool, int]:
    """(whether these gains win the race, how many of them it took), where the noise is known from `others`."""
    for k in range(1, bounds.pairs + 1):
        luck = moderated(others, [gains[:k]])
        step = bounds.step(normal_score(math.fsum(gains[:k]) / math.sqrt(k) / luck.sd, luck.dof), k)
        if step is not Step.GO_ON:
            return step is Step.ACCEPT, k
    return False, bounds.pairs


def drawn(bounds: Race, gains: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> str:
    """Accepted by the race, its runs, accepted by greedy: over many orders of real gains."""
    found = []
    for _ in range(DRAWS):
        # Two trials of each kind that went through all their seeds before: what a lab knows of its noise.
        known = [rng.choice(other, bounds.pairs, replace=False).tolist() for other in (*others, *others)]
        found.append(raced(bounds, rng.choice(gains, bounds.pairs, replace=False).tolist(), known))
    accepted, runs = np.mean([hit for hit, _ in found]), np.mean([k for _, k in found])
    return f"{accepted:8.2%} {runs:6.2f} {np.mean(gains > 0):8.1%}"


def report(bounds: Race, rng: np.random.Generator) -> None:
    """Prints what the rule makes of each change, and of the same differences without the change's own effect."""
    table = json.loads(RUNS.read_text())
    steps, seeds = table.pop("steps"), table.pop("seeds")
    losses = {name: np.array(values) for name, values in table.items()}
    baseline = losses.pop("baseline")
    print(f"\nreal runs of the shipped workspace: {len(seeds)} seeds of each, {steps} steps; {DRAWS:,} draws a line")
    print(f"baseline {baseline.mean():.4f}, standard deviation between seeds {baseline.std(ddof=1):.4f}")
    print(f"{'change':32} {'gain, 95% interval':>24} {'corr.':>6} {'of a pair':>9}   accepted   runs   greedy")
    others = [baseline - changed for changed in losses.values()]
    for name, changed in losses.items():
        gains = baseline - changed
        sd, mean = gains.std(ddof=1), gains.mean()
        half = student_deviate(INTERVAL_Z, len(gains) - 1) * sd / math.sqrt(len(gains))
        correlation = np.corrcoef(baseline, changed)[0, 1]
        told = f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"
        print(f"{name:32} {told:>24} {correlation:6.2f} {sd:9.4f}   {drawn(bounds, gains, others, rng)}")
    print("the same without their means, as changes that do nothing:")
    for name, changed in losses.items():
        gains = baseline - changed
        print(f"{name:32} {'':41}   {drawn(bounds, gains - gains.mean(), others, rng)}")
    _whole(bounds, baseline, rng)


def _whole(bounds: Race, baseline: np.ndarray, rng: np.random.Generator) -> None:
    """The unchanged code against itself, other seeds on either side."""
    hits = greedy = 0
    for _ in range(DRAWS):
        order = rng.permutation(baseline)
        gains, others = (order[::2] - order[1::2]).tolist(), order.reshape(-1, 4)
        known = [(group[::2] - group[1::2]).tolist() for group in others[3:]]
        hits += raced(bounds, gains[: bounds.pairs], known)[0]
        greedy += gains[0] > 0
    low, high = wilson(hits, DRAWS)
    words = f"accepted {hits / DRAWS:.2%} ({low:.2%} to {high:.2%}), greedy {greedy / DRAWS:.1%}"
    print(f"the baseline against itself with other seeds: {words}")
