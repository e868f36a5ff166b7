"""Made-up histories for the report: of a few trials, and of a long night."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

from autogit.config.model import Config, Metric, Train
from autogit.history import History
from autogit.records import Curve, Record, Run, RunStatus, Trial, Verdict
from autogit.report.facts import Facts


def record(number: int, value: float | None, verdict: Verdict, base: str = "c0", **more: float) -> Record:
    proposer = "baseline" if number == 0 else "person"
    trial = Trial(str(number), f"c{number}", base, f"Change <b>{number}</b>", proposer, "try")
    return Record(trial, verdict, "because", {} if value is None else {"val_loss": value}, statistics=more)


def facts(*records: Record, direction: Literal["min", "max"] = "min", **more: object) -> Facts:
    config = Config(Train("python train.py"), metric=replace(Metric(), direction=direction))
    return Facts("lab", "/lab", "today", config, History(config.metric, records), **more)  # type: ignore[arg-type]


def many(count: int) -> Facts:
    """A long night: long titles and reasons, a curve for each trial, an accepted change in twenty."""
    rng = random.Random(0)
    records = [replace(record(0, 2.0, Verdict.ACCEPTED), runs=(Run(1, RunStatus.COMPLETED, 10.0),))]
    curves, diffs, base = {}, {}, "c0"
    for n in range(1, count + 1):
        verdict = Verdict.ACCEPTED if n % 20 == 0 else rng.choice(list(Verdict)[1:])
        each = record(n, 2.0, verdict, base, gain=rng.gauss(0, 0.01), low=-0.1, high=0.1, z=rng.gauss(0, 1))
        trial = replace(each.trial, title="learning_rate 0.02 -> 0.34, dropout 0.4 -> 0.1, momentum 0.5 -> 0.9",
                        operator=f"part{n % 40}+lr", parameters={"lr": rng.random(), "dropout": rng.random()},
                        rationale="It widens the basin. " * 10)  # fmt: skip
        run = Run(1, RunStatus.COMPLETED, 10.0)
        metrics = {**each.metrics, "params": rng.random()}
        reason = "val_loss 2.03 is 0.03 behind exp/2 " * 4
        each = replace(each, trial=trial, runs=(run,), reason=reason, metrics=metrics, reproduce="python train.py")
        records.append(each)
        curves[str(n)] = [Curve(1, "loss", tuple(range(1000)), tuple(rng.random() for _ in range(1000)))] * 2
        if each.accepted:
            base, diffs[str(n)] = trial.commit, "--- a/t.py\n+++ b/t.py\n" + "+x = 1\n" * 200
    return facts(*records, curves=curves, diffs=diffs, noise=0.01)
