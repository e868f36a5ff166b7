"""A model of which settings are good: Optuna's TPE over the evidence, rebuilt from it each time it is asked.

TPE: Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011; multivariate form: Falkner et al., BOHB, 2018.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autogit.config.space import Choice
from autogit.propose.search.domains import brought, ordinal
from autogit.propose.search.evidence import WINDOW_TRIALS, Sample
from autogit.propose.search.failures import out_of_memory
from autogit.propose.search.parameters import Found, Parameter, same
from autogit.records import Proposal, Value, Verdict

if TYPE_CHECKING:
    import optuna

MIN_SAMPLES = 8
"""Samples that tell something, a metric or how far behind they were stopped, below which a model knows nothing."""
MIN_MEASURED = 4
"""How many of them have to have a metric."""
BEST_SAMPLES = 30
"""Samples before the latest WINDOW_TRIALS that a model is also made of."""


def suggestions(
    found: Found, samples: Sequence[Sample], pending: Sequence[Proposal], direction: str, seed: int
) -> Iterator[dict[str, Value]]:
    """Settings of all parameters that the model finds promising, without end, each unlike those before.

    Nothing if there are fewer than MIN_SAMPLES samples to learn from.
    """
    if not _enough(samples):
        return
    import optuna

    parameters = list(found.parameters.values())
    axes = {p.name: _Axis(p) for p in parameters}
    with warnings.catch_warnings():
        # Multivariate TPE and the constant liar are marked experimental in Optuna 4.
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)
    study = _study(axes, informative(samples, direction), direction, sampler)
    present = {p.name: p.value for p in parameters}
    for proposal in pending:
        _add(study, axes, {**present, **proposal.parameters}, state=optuna.trial.TrialState.RUNNING)
    distributions = {name: axis.distribution for name, axis in axes.items()}
    while True:
        asked = study.ask(dict(distributions)).params
        setting = {name: axes[name].value(asked[name]) for name in axes}
        yield {name: value for name, value in setting.items() if value is not None}


def importance(found: Found, samples: Sequence[Sample], direction: str) -> dict[str, float]:
    """Each parameter's share (they sum to 1) in what makes the better half better, the most important first.

    PED-ANOVA: Watanabe et al., 2023. Empty if there are fewer than MIN_SAMPLES samples to learn from.
    """
    if not _enough(samples):
        return {}
    import optuna

    axes = {p.name: _Axis(p) for p in found.parameters.values()}
    study = _study(axes, samples, direction, optuna.samplers.RandomSampler(seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _enough(samples: Sequence[Sample]) -> bool:
    measured = sum(sample.value is not None for sample in samples)
    return measured >= MIN_MEASURED and measured + sum(sample.reached is not None for sample in samples) >= MIN_SAMPLES


def informative(samples: Sequence[Sample], direction: str) -> list[Sample]:
    """The latest WINDOW_TRIALS samples and the BEST_SAMPLES ones before them, in their order."""
    early = samples[:-WINDOW_TRIALS]
    sign = 1 if direction == "min" else -1
    ranked = sorted((s for s in early if s.value is not None), key=lambda s: sign * (s.value or 0.0))
    kept = {sample.trial for sample in ranked[:BEST_SAMPLES]}
    return [*(s for s in early if s.trial in kept), *samples[-WINDOW_TRIALS:]]


def _study(axes: Mapping[str, _Axis], samples: Sequence[Sample], direction: str, sampler: Any) -> optuna.Study:
    import optuna

    level, optuna_level = optuna.logging.get_verbosity(), optuna.logging.WARNING
    optuna.logging.set_verbosity(optuna_level)
    study = optuna.create_study(direction="minimize" if direction == "min" else "maximize", sampler=sampler)
    optuna.logging.set_verbosity(level)
    known = [s.value for s in samples if s.value is not None]
    sign = 1 if direction == "min" else -1
    worst = max(known, key=lambda v: sign * v)
    spread = sign * max(max(known) - min(known), 1e-9 * abs(worst), 1e-12)
    for sample in samples:
        if sample.verdict is Verdict.PRUNED:
            _add(study, axes, sample.values, state=optuna.trial.TrialState.PRUNED, reached=sample.reached)
        else:
            failed = worst + spread * (2 if out_of_memory(sample.reason) else 1)
            _add(study, axes, sample.values, value=failed if sample.value is None else sample.value)
    return study


def _add(
    study: optuna.Study,
    axes: Mapping[str, _Axis],
    values: Mapping[str, Value | None],
    **outcome: Any,
) -> None:
    import optuna

    reached = outcome.pop("reached", None)
    study.add_trial(
        optuna.trial.create_trial(
            params={name: axis.point(values.get(name)) for name, axis in axes.items()},
            distributions={name: axis.distribution for name, axis in axes.items()},
            intermediate_values={} if reached is None else dict([reached]),
            **outcome,
        )
    )


class _Axis:
    """A parameter as a coordinate of the model: listed numbers by their order, other lists by their index."""

    def __init__(self, parameter: Parameter) -> None:
        import optuna

        self._domain = domain = parameter.domain
        self._ordered: tuple[Value, ...] | None = None
        self.distribution: optuna.distributions.BaseDistribution
        if not isinstance(domain, Choice):
            self.distribution = optuna.distributions.FloatDistribution(domain.low, domain.high, log=domain.log)
        elif (ordered := ordinal(domain)) is not None:
            self._ordered = ordered
            self.distribution = optuna.distributions.IntDistribution(0, len(ordered) - 1)
        else:
            # One more than there are: what the code says now and nobody listed.
            self.distribution = optuna.distributions.CategoricalDistribution(range(len(domain.values) + 1))

    def point(self, value: Value | None) -> float | int:
        """Where `value` lies, the nearest coordinate where the domain has changed since."""
        domain = self._domain
        number = float(value) if isinstance(value, int | float) else None
        if not isinstance(domain, Choice):
            middle = (domain.low * domain.high) ** 0.5 if domain.log else (domain.low + domain.high) / 2
            return min(max(middle if number is None else number, domain.low), domain.high)
        if self._ordered is not None:
            distances = [abs(float(each) - (number or 0.0)) for each in self._ordered]  # type: ignore[arg-type]
            return distances.index(min(distances))
        return next((i for i, each in enumerate(domain.values) if same(each, value)), len(domain.values))

    def value(self, point: float | int) -> Value | None:
        """The value at a coordinate; None where it stands for what nobody listed."""
        domain = self._domain
        if not isinstance(domain, Choice):
            return brought(domain, float(point))
        listed = self._ordered or domain.values
        return listed[int(point)] if int(point) < len(listed) else None
