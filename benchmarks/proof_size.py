"""How often the first proof of a line that is worth nothing passes, by the race's bounds and the noise of a proof.

    python benchmarks/proof_size.py [--races 6000] [--confidence 0.99]

Normal noise, no earlier proof: the tip and `main` run on the same fresh seeds, pair after pair. `effect` is the true
gain in standard deviations of a run; at 0 whatever passes is false.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from autogit.evaluate.noise import judged_from, pooled
from autogit.evaluate.race import Race, Step, race


def proof(dice: np.random.Generator, bounds: Race, correlation: float, effect: float) -> tuple[bool, int]:
    """Runs one race; returns whether it was won, and after how many pairs."""
    mine: list[float] = []
    theirs: list[float] = []
    for pairs in range(1, bounds.pairs + 1):
        shared = dice.standard_normal() * correlation**0.5
        own = (1 - correlation) ** 0.5 * dice.standard_normal(2)
        mine.append(shared + own[0])
        theirs.append(shared + own[1] - effect)
        gains = [a - b for a, b in zip(mine, theirs, strict=True)]
        noise = judged_from(pooled([mine, theirs]) if pairs > 1 else None, [], [gains])
        if noise is None:
            continue
        step = bounds.step(noise.z(float(np.mean(gains)), pairs), pairs)
        if step is not Step.GO_ON or pairs == bounds.pairs:
            return step is Step.ACCEPT, pairs
    raise AssertionError("a race ends with its last pair")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=6000)
    parser.add_argument("--confidence", type=float, default=0.99)
    options = parser.parse_args()
    bounds, dice = race(options.confidence, 5), np.random.default_rng(5)
    for correlation in (0.0, 0.5, 0.83):
        for effect in (0.0, 2.0, 4.0, 8.0, 16.0):
            count = options.races if effect == 0 else options.races // 10
            found = Counter(proof(dice, bounds, correlation, effect) for _ in range(count))
            won = sum(n for (passed, _), n in found.items() if passed)
            pairs = sum(n * k for (_, k), n in found.items()) / count
            print(f"correlation {correlation:.2f}, effect {effect:4.1f}: {won / count:7.2%} pass, {pairs:.2f} pairs")


if __name__ == "__main__":
    main()
