"""What one execution amounts to: its status, its numbers and why it ended if it did not complete."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from autogit.config.model import Config
from autogit.evaluate import curve as curves
from autogit.evaluate.lines import normalised
from autogit.evaluate.output import OutputReading, reading
from autogit.protocols import Ending, Execution
from autogit.records import Curve, Run, RunStatus

MOST_NATS = 100.0
"""A val_loss above it is no cross-entropy, and has no perplexity."""
_RESULTS = ("val_loss", "perplexity")
"""Metrics that are results of the training as the primary one is: only what vouches for that one vouches for them."""


def run_of(
    config: Config, read: OutputReading, trained: Execution, evaluated: Execution | None, goal: float | None
) -> tuple[Run, Curve | None]:
    """Returns the run and its learning curve.

    Every number is finite, and a run that does not count has no result: no number stands for a crash. `goal` is the
    baseline's final loss; None for the baseline, whose own it is.
    """
    status, reason = _ending(read, trained)
    metrics = read.metrics | _facts(trained)
    if status.counts and config.evaluate.command:
        status, reason, measured = _evaluated(config, status, evaluated)
        # What training says of the measured metric is gone even if the evaluator is silent on it.
        metrics = _without_results(config, metrics) | measured
    if status.counts and not math.isfinite(metrics.get(config.metric.name, math.nan)):
        if status is RunStatus.TRUNCATED:
            status, reason = RunStatus.TIMED_OUT, f"the budget ended before there was any {config.metric.name}"
            if normalised(config.metric.name) in read.unread:
                reason = f"the budget ended: {read.missing(config.metric.name)}"
        else:
            status, reason = RunStatus.CRASHED, read.missing(config.metric.name)
    if not status.counts:
        metrics = _without_results(config, metrics)
    curve = read.curve
    metrics |= _perplexity(metrics) | ({} if curve is None else _shape(curve, goal, _rising(config, curve)))
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Run(read.seed, status, trained.seconds, read.step, metrics, reason), curve


def _without_results(config: Config, metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in (config.metric.name, *_RESULTS)}


def _ending(read: OutputReading, trained: Execution) -> tuple[RunStatus, str]:
    if trained.halt is not None:
        return trained.halt.status, trained.halt.reason
    if read.unstable:
        return RunStatus.UNSTABLE, read.unstable
    if trained.ending is Ending.BUDGET:
        return RunStatus.TRUNCATED, trained.reason
    if trained.ending is Ending.TIMEOUT:
        return RunStatus.TIMED_OUT, trained.reason or f"still running after {trained.seconds:.0f} s"
    if not trained.succeeded:
        return RunStatus.CRASHED, trained.reason or f"{trained.ending} with status {trained.status}"
    return RunStatus.COMPLETED, ""


def _evaluated(
    config: Config, status: RunStatus, evaluated: Execution | None
) -> tuple[RunStatus, str, dict[str, float]]:
    """What the protected evaluator says of a run that ended well."""
    if evaluated is None:
        return RunStatus.CRASHED, "evaluator: was not run", {}
    said = reading(config, 0).read(evaluated.log)
    if said.refused:
        return RunStatus.REFUSED, said.refused, {}
    if not evaluated.succeeded:
        why = evaluated.reason or f"{evaluated.ending} with status {evaluated.status}"
        return RunStatus.CRASHED, f"evaluator: {why}", {}
    if said.unstable:
        return RunStatus.UNSTABLE, f"evaluator: {said.unstable}", {}
    if config.metric.name not in said.metrics:
        return RunStatus.CRASHED, f"evaluator: {said.missing(config.metric.name)}", {}
    return status, "", said.metrics


def _facts(trained: Execution) -> dict[str, float]:
    """The supervisor's own measurements; what a script prints under these names does not count."""
    facts = {"wall_seconds": trained.seconds}
    if trained.peak_memory is not None:
        facts["peak_memory_mb"] = trained.peak_memory / 2**20
    return facts


def _perplexity(metrics: Mapping[str, float]) -> dict[str, float]:
    loss = metrics.get("val_loss")
    if loss is None or "perplexity" in metrics or not 0 <= loss <= MOST_NATS:
        return {}
    return {"perplexity": math.exp(loss)}


def _rising(config: Config, curve: Curve) -> bool:
    return config.metric.direction == "max" and curve.metric == normalised(config.metric.name)


def _shape(curve: Curve, goal: float | None, rising: bool) -> dict[str, float]:
    final = curves.final(curve)
    level = final if goal is None else goal
    falling = replace(curve, values=tuple(-value for value in curve.values)) if rising else curve
    found = {
        "final_loss": final,
        "training_stability": curves.stability(curve),
        "early_trend": curves.early_trend(curve),
        "steps_to_baseline_loss": curves.steps_to(falling, -level if rising else level),
    }
    return {name: float(value) for name, value in found.items() if value is not None}
