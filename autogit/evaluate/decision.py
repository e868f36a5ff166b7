"""From runs to a verdict. Pure: the same runs, incumbent and history give the same answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from autogit.config.model import Config
from autogit.evaluate.case import Case
from autogit.evaluate.noise import means, merits, pooled
from autogit.evaluate.objective import Objective, broken_guard, objective, unreported
from autogit.evaluate.seeds import accepted_until, block
from autogit.history import History
from autogit.protocols import Judgement, More
from autogit.records import Record, Run, RunStatus, Verdict
from autogit.wording import counted

PROBES = 3
"""Runs of a baseline after which equal values mean that there is no noise."""
DEAD = {
    RunStatus.PRUNED: Verdict.PRUNED,
    RunStatus.UNSTABLE: Verdict.UNSTABLE,
    RunStatus.CRASHED: Verdict.CRASHED,
    RunStatus.TIMED_OUT: Verdict.TIMED_OUT,
    RunStatus.REFUSED: Verdict.REJECTED,
}


def decide(
    config: Config, runs: Sequence[Run], incumbent: Record | None, history: History, lines: int
) -> More | Judgement:
    """The verdict on `runs`, or which seeds to run first. See `protocols.Evaluator.decide`."""
    if incumbent is None:
        return dead(runs) or _baseline(config, runs, history)
    compared = objective(config, (history.baseline or incumbent).metrics)
    if judgement := dead(runs) or incomplete(runs, compared):
        return judgement
    found = means(runs)
    if runs and (broken := broken_guard(config, found)):
        return Judgement(Verdict.REJECTED, broken, found)
    records = tuple(history)
    accepted = accepted_until(records, incumbent.id)
    case = Case(config, compared, runs, incumbent, records, lines, block(config, accepted), block(config, accepted + 1))
    return case.race() if config.accept.rule == "race" else case.greedy()


def dead(runs: Sequence[Run]) -> Judgement | None:
    """The verdict on a candidate of which a run failed; None where all count."""
    failed = next((run for run in runs if not run.status.counts), None)
    if failed is None:
        return None
    reason = f"refused by the evaluator: {failed.reason}" if failed.status is RunStatus.REFUSED else failed.reason
    where = f" (seed {failed.seed})" if len(runs) > 1 else ""
    return Judgement(DEAD[failed.status], (reason or str(failed.status)) + where, means(runs))


def incomplete(runs: Sequence[Run], compared: Objective) -> Judgement | None:
    """The verdict on a candidate that lacks a metric to compare; None where every run has it."""
    if all(compared.merit(run.metrics) is not None for run in runs):
        return None
    return Judgement(Verdict.REJECTED, f"{compared.name}: a metric that it is made of was not reported", means(runs))


def _baseline(config: Config, runs: Sequence[Run], history: History) -> More | Judgement:
    """Measured with as many seeds as the rule needs; a few equal results are enough to see that there is no noise."""
    found = means(runs)
    if runs and (lacking := unreported(config, found)):
        return Judgement(Verdict.CRASHED, lacking, found)
    compared = objective(config, found)
    done = merits(runs, compared.merit)
    if half := incomplete(runs, compared):
        return replace(half, verdict=Verdict.CRASHED)
    wanted = config.accept.seeds if config.accept.rule == "race" else 1
    seeds = block(config, len(history.accepted))[:wanted]
    equal = len(done) >= min(PROBES, wanted) and len(set(done.values())) == 1
    missing = tuple(seed for seed in seeds if seed not in done)
    if missing and not equal:
        return More(candidate=missing[: PROBES - len(done)] if len(done) < PROBES else missing)
    spread = pooled([list(done.values())])
    value = f"{config.metric.name} {found[config.metric.name]:.5g}"
    if spread is None:
        return Judgement(Verdict.ACCEPTED, f"{value} with one seed", found)
    sd, freedom = spread
    word = (
        f"the same with {counted(len(done), 'seed')}"
        if equal
        else f"mean of {counted(len(done), 'seed')}, which differ by {sd:.3g}"
    )
    broken = broken_guard(config, found)
    reason = f"{value} ({word})" + (f"; {broken}" if broken else "")
    return Judgement(Verdict.ACCEPTED, reason, found, {"sigma": math.sqrt(2) * sd, "freedom": float(freedom)})
