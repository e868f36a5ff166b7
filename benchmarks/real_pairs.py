"""The acceptance rule on real runs: those that benchmarks/repeats.py made, drawn again and again in another order.

Part of `python benchmarks/acceptance.py`. Gains are in nats per byte, positive where the change is better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autogit.evaluate.case import INTERVAL_Z
from autogit.evaluate.noise import student_deviate
from autogit.evaluate.nulls import wilson
from autogit.evaluate.race import Race, Step

RUNS = Path(__file__).parent / "data" / "repeats.json"
DRAWS = 20_000


def raced(bounds: Race, gains: Sequence[float], sd: float) -> tuple[bool, int]:
    """(whether these gains win the race, how many of them it took)."""
    for k in range(1, bounds.pairs + 1):
        step = bounds.step(math.fsum(gains[:k]) / math.sqrt(k) / sd, k)
        if step is not Step.GO_ON:
            return step is Step.ACCEPT, k
    return False, bounds.pairs


def drawn(bounds: Race, gains: np.ndarray, sd: float, rng: np.random.Generator) -> str:
    """Accepted by the race, its runs, accepted by greedy: over many orders of real gains."""
    found = [raced(bounds, rng.choice(gains, bounds.pairs, replace=False).tolist(), sd) for _ in range(DRAWS)]
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
    # As the lab knows it: one noise for all changes, although each has its own.
    pooled = math.sqrt(np.mean([(baseline - changed).var(ddof=1) for changed in losses.values()]))
    for name, changed in losses.items():
        gains = baseline - changed
        sd, mean = gains.std(ddof=1), gains.mean()
        half = student_deviate(INTERVAL_Z, len(gains) - 1) * sd / math.sqrt(len(gains))
        correlation = np.corrcoef(baseline, changed)[0, 1]
        told = f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"
        print(f"{name:32} {told:>24} {correlation:6.2f} {sd:9.4f}   {drawn(bounds, gains, pooled, rng)}")
    print(f"noise of all, pooled: {pooled:.4f}; the same without their means, as changes that do nothing:")
    for name, changed in losses.items():
        gains = baseline - changed
        print(f"{name:32} {'':41}   {drawn(bounds, gains - gains.mean(), pooled, rng)}")
    _whole(bounds, baseline, rng)


def _whole(bounds: Race, baseline: np.ndarray, rng: np.random.Generator) -> None:
    """The unchanged code against itself, other seeds on either side."""
    hits = greedy = 0
    sd = math.sqrt(2) * float(baseline.std(ddof=1))
    for _ in range(DRAWS):
        order = rng.permutation(baseline)[: 2 * bounds.pairs]
        gains = (order[::2] - order[1::2]).tolist()
        hits += raced(bounds, gains, sd)[0]
        greedy += gains[0] > 0
    low, high = wilson(hits, DRAWS)
    words = f"accepted {hits / DRAWS:.2%} ({low:.2%} to {high:.2%}), greedy {greedy / DRAWS:.1%}"
    print(f"the baseline against itself with other seeds: {words}")
