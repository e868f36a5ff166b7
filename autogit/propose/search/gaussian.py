"""A Gaussian process over the settings that were tried, and the settings by which it expects the most improvement.

The kernel is a mixture of one that adds up the parameters' own effects and one over all of them together (Matern 5/2).
Its scales are not fitted: few samples do not tell them, so several are drawn and weighed by how likely they make what
was seen. Expected improvement: Jones et al., Efficient Global Optimization of Expensive Black-Box Functions, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autogit.config.space import Choice
from autogit.propose.search.domains import at_share, brought, ordinal, share_at
from autogit.propose.search.evidence import Sample
from autogit.propose.search.parameters import Found, Parameter, same
from autogit.records import Proposal, Value

Array = npt.NDArray[np.float64]
MIN_MEASURED_SETTINGS = 3
"""Samples with a metric below which there is nothing to learn from."""
MAX_SETTINGS = 60
"""Samples that a process is made of: the latest ones."""
KERNELS = 24
"""Scales that are drawn for one question."""
GRID_POINTS = 9
"""Values of a range that are looked at."""
SEVERAL_MOVES = 150
"""Changes of two or three parameters that are looked at beside all changes of one."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """A parameter as a coordinate from 0 to 1; lists of words have one coordinate for each word."""

    parameter: Parameter

    @property
    def values(self) -> list[Value]:
        """What is looked at."""
        domain = self.parameter.domain
        if isinstance(domain, Choice):
            return list(ordinal(domain) or domain.values)
        points = [at_share(domain, share) for share in np.linspace(0, 1, GRID_POINTS)]
        return list(dict.fromkeys(brought(domain, float(point)) for point in points))

    def coordinates(self, value: Value | None) -> list[float]:
        domain = self.parameter.domain
        if not isinstance(domain, Choice):
            return [share_at(domain, value)]
        ordered = ordinal(domain)
        if ordered is None:
            return [1.0 if same(each, value) else 0.0 for each in domain.values]
        number = float(value) if isinstance(value, int | float) else 0.0
        nearest = min(range(len(ordered)), key=lambda i: abs(float(ordered[i]) - number))  # type: ignore[arg-type]
        return [nearest / max(1, len(ordered) - 1)]


def promising(
    found: Found,
    samples: Sequence[Sample],
    direction: str,
    rng: np.random.Generator,
    pending: Sequence[Proposal] = (),
) -> Iterator[dict[str, Value]]:
    """Yields changes of one to three parameters, the most promising first; nothing if too little was measured.

    What is `pending` is taken to come out as the average of what is known, so that nothing like it is asked again.
    """
    known = samples[-MAX_SETTINGS:]
    if sum(sample.value is not None for sample in known) < MIN_MEASURED_SETTINGS or not found.parameters:
        return
    axes = {name: _Axis(parameter) for name, parameter in found.parameters.items()}
    present = {name: parameter.value for name, parameter in found.parameters.items()}
    waiting = [{**present, **proposal.parameters} for proposal in pending if proposal.parameters]
    settings = np.array([_point(axes, setting) for setting in (*(sample.values for sample in known), *waiting)])
    sign = -1.0 if direction == "max" else 1.0
    losses = np.append(_scaled([_loss(sample, sign) for sample in known]), np.zeros(len(waiting)))
    moves = list(_moves(found, axes, rng))
    if not moves:
        return
    candidates = np.array([_point(axes, {**present, **move}) for move in moves])
    widths = [len(axis.coordinates(present[name])) for name, axis in axes.items()]
    gain = _expected_improvement(settings, losses, candidates, np.array([_point(axes, present)]), widths, rng)
    for i in np.argsort(-gain, kind="stable"):
        yield moves[i]


def _point(axes: Mapping[str, _Axis], setting: Mapping[str, Value | None]) -> list[float]:
    return [x for name, axis in axes.items() for x in axis.coordinates(setting.get(name))]


def _loss(sample: Sample, sign: float) -> float:
    """The lower the better; infinite for what gave no number."""
    return math.inf if sample.value is None else sign * sample.value


def _scaled(losses: Sequence[float]) -> Array:
    """Losses with mean 0 and spread 1, of which bad ones are told apart by less and less; failures are the worst."""
    values = np.array(losses)
    finite = values[np.isfinite(values)]
    best, spread = finite.min(), max(float(np.median(finite - finite.min())), 1e-12)
    excess = (np.where(np.isfinite(values), values, finite.max()) - best) / spread
    bent = np.where(excess > 2, 2 + np.log1p(np.maximum(excess - 2, 0)), excess)
    scaled: Array = (bent - bent.mean()) / max(float(bent.std()), 1e-9)
    return scaled


def _moves(found: Found, axes: Mapping[str, _Axis], rng: np.random.Generator) -> Iterator[dict[str, Value]]:
    """Every change of one parameter to a value of its grid, then some of two and three."""
    options = {
        name: [value for value in axis.values if not same(value, axis.parameter.value)] for name, axis in axes.items()
    }
    names = [name for name, values in options.items() if values]
    for name in names:
        yield from ({name: value} for value in options[name])
    if len(names) < 2:
        return
    for _ in range(SEVERAL_MOVES):
        chosen = rng.choice(len(names), min(len(names), int(rng.integers(2, 4))), replace=False)
        yield {names[i]: options[names[i]][int(rng.integers(len(options[names[i]])))] for i in chosen}


def _expected_improvement(
    settings: Array,
    losses: Array,
    candidates: Array,
    present: Array,
    widths: Sequence[int],
    rng: np.random.Generator,
) -> Array:
    """Of each candidate over the present setting, averaged over kernels by their likelihood."""
    from scipy.linalg import cho_solve, cholesky
    from scipy.special import ndtr

    own, asked, here = _distances(settings, settings), _distances(candidates, settings), _distances(present, settings)
    parameter_of: npt.NDArray[np.intp] = np.repeat(np.arange(len(widths)), widths)
    outcomes = []
    for _ in range(KERNELS):
        kernel = _Kernel.drawn(len(widths), parameter_of, rng)
        noisy = kernel(own) + kernel.noise * np.eye(len(losses))
        lower = cholesky(noisy + 1e-9 * np.eye(len(losses)), lower=True)
        weights = cho_solve((lower, True), losses)
        likelihood = -0.5 * float(losses @ weights) - float(np.log(np.diag(lower)).sum())
        covariance = kernel(asked)
        mean, target = covariance @ weights, (kernel(here) @ weights)[0]
        variance = np.maximum(
            kernel.scale - np.einsum("ij,ji->i", covariance, cho_solve((lower, True), covariance.T)), 0
        )
        sd = np.sqrt(variance) + 1e-9
        z = (target - mean) / sd
        outcomes.append((likelihood, sd * (z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))))
    best = max(likelihood for likelihood, _ in outcomes)
    shares = np.array([math.exp(likelihood - best) for likelihood, _ in outcomes])
    averaged: Array = shares / shares.sum() @ np.array([gain for _, gain in outcomes])
    return averaged


def _distances(a: Array, b: Array) -> Array:
    distances: Array = np.abs(a[:, None, :] - b[None, :, :])
    return distances


@dataclass(frozen=True, slots=True)
class _Kernel:
    lengths: Array
    """By coordinate: the distance over which a parameter's effect changes."""
    parts: Array
    """By coordinate: its share in the sum of own effects."""
    added: float
    """The share of own effects in all."""
    scale: float
    noise: float

    @classmethod
    def drawn(cls, parameters: int, parameter_of: npt.NDArray[np.intp], rng: np.random.Generator) -> _Kernel:
        lengths = np.exp(rng.normal(math.log(0.7), 0.7, parameters))
        parts = rng.exponential(1.0, parameters)
        count = np.bincount(parameter_of, minlength=parameters)
        return cls(
            lengths[parameter_of], (parts / parts.sum() / count)[parameter_of], float(rng.random()),
            math.exp(rng.normal(0.3, 0.5)), math.exp(rng.normal(math.log(0.05), 1.0)),
        )  # fmt: skip

    def __call__(self, distances: Array) -> Array:
        d = distances * (math.sqrt(5) / self.lengths)
        each = (1 + d + d * d / 3) * np.exp(-d)
        value: Array = self.scale * (self.added * (each @ self.parts) + (1 - self.added) * each.prod(axis=-1))
        return value
