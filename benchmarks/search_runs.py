"""What the recorded runs of search_table.py say of any run, further seeds included."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from search_points import TABLE

PRIOR_FREEDOM = 4.0
"""How many degrees of freedom the noise of all configurations counts for, beside the two of each one's own."""
POINTS = 25
"""Reported losses of a run; a run of other steps reports at the same shares."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run as it would be: the monitored loss at POINTS shares of the run, and the validation loss."""

    curve: NDArray[np.float64]
    loss: float


class Table:
    """What the recorded runs say, and further seeds drawn from how they differ.

    A run is the mean over its configuration's seeds, plus what the seed does to all configurations alike, plus a
    remainder of its own. The one is a random mixture of the recorded seeds' effects, the other one of the recorded
    remainders, of any configuration, with a random sign, scaled to the noise of the configuration itself (pooled with
    everyone's). Curve and validation loss are drawn together, so that a curve foretells its end as well as it did.
    """

    def __init__(self, path: Path = TABLE) -> None:
        content = json.loads(lzma.decompress(path.read_bytes()))
        self.run_flops: float = content["flops"]
        self.steps: dict[str, int] = {}
        found: dict[str, list[NDArray[np.float64]]] = {}
        shares = np.linspace(1 / POINTS, 1.0, POINTS)
        for run in content["runs"]:
            self.steps[run["key"]] = run["steps"]
            if run["val_loss"] is None:
                raise ValueError(f"{run['key']} with seed {run['seed']} did not come to an end")
            curve = np.interp(shares * run["steps"], run["points"], run["curve"])
            found.setdefault(run["key"], []).append(np.append(curve, run["val_loss"]))
        self.keys = sorted(found)
        self._row = {key: i for i, key in enumerate(self.keys)}
        runs = np.array([found[key] for key in self.keys])
        configurations, seeds, _ = runs.shape
        self._mean = runs.mean(axis=1)
        residual = runs - self._mean[:, None]
        self._seed_effect = residual.mean(axis=0) * np.sqrt(seeds / (seeds - 1))
        own = residual - residual.mean(axis=0)
        # One degree of dof of each configuration went into its mean, one of each seed into the common effect.
        own *= np.sqrt(seeds / (seeds - 1) * configurations / (configurations - 1))
        variance = np.square(own[:, :, -1]).mean(axis=1)
        everyone = float(variance.mean())
        dof = seeds - 1
        shrunk = (dof * variance + PRIOR_FREEDOM * everyone) / (dof + PRIOR_FREEDOM)
        self._scale = np.sqrt(shrunk)
        self._bank = (own / self._scale[:, None, None]).reshape(-1, own.shape[-1])
        self.seed_sd = float(np.sqrt(np.square(self._seed_effect[:, -1]).mean()))
        self.own_sd = float(np.sqrt(everyone))

    def mean(self, key: str) -> float:
        """The validation loss of a configuration: the mean over its recorded seeds."""
        return float(self._mean[self._row[key], -1])

    def run(self, key: str, seed: int, repetition: int) -> Measured:
        """One run; always the same for the same three."""
        row = self._row[key]
        shared = np.random.default_rng([repetition, seed]).standard_normal(len(self._seed_effect))
        # Of n effects that sum to zero, n - 1 are free.
        common = (shared - shared.mean()) @ self._seed_effect / np.sqrt(len(shared) - 1)
        own = np.random.default_rng([repetition, seed, 1 + row])
        drawn = self._bank[own.integers(len(self._bank))] * own.choice((-1.0, 1.0)) * self._scale[row]
        values = self._mean[row] + common + drawn
        return Measured(values[:-1], float(values[-1]))
