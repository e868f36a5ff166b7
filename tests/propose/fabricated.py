"""A lab made up for proposers: files, real records, and revisions that a dictionary answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from autogit.config.load import parse
from autogit.config.model import Config, Train
from autogit.history import History
from autogit.protocols import Context
from autogit.records import BASELINE, Curve, Idea, Proposal, Record, Run, RunStatus, Trial, Usage, Value, Verdict


@dataclass
class Bench:
    """Runs proposals against a made-up objective, accepting what is better, as the loop would."""

    files: dict[str, str]
    config: Config = field(default_factory=lambda: Config(Train("python train.py --seed {seed}")))
    seed: int = 0

    def __post_init__(self) -> None:
        self.history = History(self.config.metric)
        self.base = "c0"
        self.diffs: dict[str, str] = {}
        self.pending: tuple[Proposal, ...] = ()
        self.history.add(record("0", "c0", "c0", 1.0, proposer=BASELINE, operator=BASELINE))

    def context(self, **changes: object) -> Context:
        rng = np.random.default_rng([self.seed, len(self.history)])
        context = Context(
            self.base, dict(self.files), self.history, self.pending, rng, self.config, NoRevisions(self.diffs), str
        )
        return replace(context, **changes)  # type: ignore[arg-type]

    def close(self, proposal: Proposal, value: float | None, verdict: Verdict, **more: object) -> Record:
        number = str(len(self.history))
        self.diffs[number] = proposal.diff
        new = record(
            number, f"c{number}", proposal.base, value, verdict, proposal.proposer, proposal.operator,
            parameters=proposal.parameters, parents=proposal.parents, usage=proposal.usage, **more,
        )  # fmt: skip
        self.history.add(new)
        if new.accepted:
            self.base = new.trial.commit
        return new


def record(
    number: str,
    commit: str,
    base: str,
    value: float | None = None,
    verdict: Verdict = Verdict.ACCEPTED,
    proposer: str = "hyperparameters",
    operator: str = "learning_rate",
    seconds: float = 10.0,
    reason: str = "",
    parameters: Mapping[str, Value] | None = None,
    parents: tuple[str, ...] = (),
    step: int = 100,
    usage: Usage | None = None,
) -> Record:
    trial = Trial(
        number, commit, base, operator, proposer, operator, parameters=parameters or {}, parents=parents, usage=usage
    )
    metrics = {} if value is None else {"val_loss": value}
    status = {
        Verdict.CRASHED: RunStatus.CRASHED, Verdict.PRUNED: RunStatus.PRUNED, Verdict.UNSTABLE: RunStatus.UNSTABLE,
        Verdict.TIMED_OUT: RunStatus.TIMED_OUT,
    }.get(verdict, RunStatus.COMPLETED)  # fmt: skip
    run = Run(1, status, seconds, step, metrics, reason)
    return Record(trial, verdict, reason, metrics, (run,))


@dataclass
class NoRevisions:
    """Diffs from a dictionary; nothing can be moved."""

    diffs: Mapping[str, str]
    curve: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        return None

    def revert(self, trial: str, onto: str) -> str | None:
        return None

    def diff(self, trial: str) -> str:
        return self.diffs[trial]

    def curves(self, trial: str) -> tuple[Curve, ...]:
        return self.curve.get(trial, ())

    def log(self, trial: str) -> str:
        return ""

    def guide(self) -> str:
        return ""

    def ideas(self) -> tuple[Idea, ...]:
        return ()

    def read(self, commit: str, path: str) -> bytes | None:
        return None

    def clone(self, commit: str) -> Path:
        raise NotImplementedError


def config(space: str, command: str = "python train.py --seed {seed}") -> Config:
    return parse(f'[train]\ncommand = "{command}"\n[space]\n{space}')
