"""The values that cross rooms: Proposal, Trial, Run, Verdict, Record. All frozen, none of them does anything.

`None` means absent, never "failed": a run without a usable metric has a status that says so and no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]
"""What a hyperparameter may be: a number, a word, or a tuple of them (betas)."""


class RunStatus(StrEnum):
    """How one execution of the training command ended."""

    COMPLETED = "completed"
    TRUNCATED = "truncated"
    """Stopped by its budget in good order, with a usable metric."""
    PRUNED = "pruned"
    UNSTABLE = "unstable"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    """Stopped by its time limit, with no usable metric."""
    REFUSED = "refused"
    """The protected evaluator does not believe it: a model that sees the future, weights that were not trained."""

    @property
    def counts(self) -> bool:
        """Whether the run's metrics may be compared with another's."""
        return self in (RunStatus.COMPLETED, RunStatus.TRUNCATED)


class Verdict(StrEnum):
    """What became of a trial: accepted, kept until it is proved, or one of the ways to be dead."""

    ACCEPTED = "accepted"
    KEPT = "kept"
    """On the provisional line: it looks better, and that is not proved yet."""
    UNPROVED = "unproved"
    """Was kept, and the line that it was part of did not prove to be better."""
    REJECTED = "rejected"
    PRUNED = "pruned"
    UNSTABLE = "unstable"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    INVALID = "invalid"
    """Never ran: the diff did not apply or broke a rule."""
    SUPERSEDED = "superseded"
    """Beat an older `main`; tried again on the new one as another trial."""

    @property
    def dead(self) -> bool:
        return self not in (Verdict.ACCEPTED, Verdict.KEPT)


BASELINE = "baseline"
"""Proposer and operator of trial 0, and of every measurement of a person's own commit on `main`."""
NULL = "null"
"""Proposer and operator of a change that does nothing, sent through the loop to see how often the rule is fooled."""


# Keys of a record's tables that are written in one room and read in another. Notes hold them: they do not change.
TERMS, DATA, CONFIG = "terms", "data", "config"
"""Of `environment`: hashes of what runs have to share to compare, of their data, and of the configuration's text."""
GAIN, LOW, HIGH, Z, SIGMA = "gain", "low", "high", "z", "sigma"
"""Of `statistics`, of a proof and a total: the gain in the metric's unit, its interval, its z, the noise of a pair."""
SPARED = "spared"
"""Of `statistics`: 1 if a run would have been pruned, and was allowed to finish to see what pruning costs."""
IS_PROOF, AGAINST, IS_TOTAL = "proof", "against", "total"
"""Of a check: whether the line was proved; the id of the trial that it raced; whether it is of all that was gained."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a proposal cost to make. Money is in the currency of the configured prices."""

    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class Idea:
    """A direction that a person has queued for the next proposal of a model or an agent."""

    id: str
    """Eight hexadecimal digits."""
    text: str
    added: str
    """When it was queued (ISO 8601, UTC)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A unified diff against one base commit. It has no number until it starts.

    `operator` is the kind of move (`learning_rate`, `gelu-to-silu`, `combine`), `parents` the trials
    that it builds on (repairs, reverts, combines), oldest first.
    """

    base: str
    diff: str
    title: str
    proposer: str
    operator: str
    rationale: str = ""
    expected: str = ""
    """The effect that was claimed before the run, in the proposer's own words."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Hyperparameters that the diff sets, by name, with their new values."""
    parents: tuple[str, ...] = ()
    usage: Usage | None = None
    idea: str = ""
    """The id of the queued idea that it follows; the idea is used then."""
    raw: str = ""
    """The text as it came, where it differs from `diff` (a model's answer)."""
    refused: str = ""
    """Why the proposal cannot land, where that is known: it becomes an invalid trial and never runs."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The moves that it is made of; see `Trial.parts`."""
        return _parts(self.operator, self.usage)


@dataclass(frozen=True, slots=True)
class Trial:
    """A proposal that has a number and a commit. What is known of it before any run."""

    id: str
    """`"17"`, or `"h200/17"` in a lab with a name."""
    commit: str
    base: str
    """The commit that `commit` changes; for a baseline the commit itself."""
    title: str
    proposer: str
    operator: str
    rationale: str = ""
    expected: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    usage: Usage | None = None
    idea: str = ""

    @property
    def is_baseline(self) -> bool:
        return self.proposer == BASELINE

    @property
    def parts(self) -> tuple[str, ...]:
        """The moves that it is made of: the patterns and parameters of a bundle, else the one operator.

        A model's and a person's own word for what they did is one.
        """
        return _parts(self.operator, self.usage)

    @property
    def is_null(self) -> bool:
        return self.proposer == NULL

    @property
    def ref(self) -> str:
        """The name that checks it out: `exp/17`."""
        return f"exp/{self.id}"

    @property
    def number(self) -> int:
        return int(self.id.rpartition("/")[2])


def _parts(operator: str, usage: Usage | None) -> tuple[str, ...]:
    return (operator,) if usage is not None else tuple(operator.split("+"))


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the training command from a trial's commit with one seed."""

    seed: int
    status: RunStatus
    seconds: float
    """Wall time by the supervisor's clock."""
    step: int | None = None
    """The last step that was reported."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Finite values only; without the primary metric if the run does not count."""
    reason: str = ""
    """Why it ended if it did not complete: the cause and, for an exception, its last line and place."""

    def __post_init__(self) -> None:
        """Raises ValueError if a metric is no finite number: NaN never wins, and is never compared."""
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                raise ValueError(
                    f"the run with seed {self.seed} has {name} = {value}, and only finite numbers are kept"
                )


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve of one run: `values[i]` was reported at `steps[i]` (ascending)."""

    seed: int
    metric: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A trial, every run made of it, and its verdict: what its git note says."""

    trial: Trial
    verdict: Verdict
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Means over the runs that count."""
    runs: tuple[Run, ...] = ()
    environment: Mapping[str, Scalar] = field(default_factory=dict)
    """What makes two numbers comparable: device, threads, versions, data hash, sandbox tier, config hash."""
    reproduce: str = ""
    """One line to paste in a checkout of the trial."""
    closed: str = ""
    """When the verdict was recorded (ISO 8601, UTC)."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    """How the verdict was reached: effect, its interval, z, noise, pairs."""
    checks: tuple[Mapping[str, Scalar], ...] = ()
    """What later re-measurements found (`autogit verify`), oldest first."""

    @property
    def id(self) -> str:
        return self.trial.id

    @property
    def accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED

    @property
    def kept(self) -> bool:
        """Whether it waits on the provisional line for its proof."""
        return self.verdict is Verdict.KEPT

    @property
    def won(self) -> bool:
        """Whether proposals build on it: it is accepted, or kept until it is proved."""
        return self.accepted or self.kept

    @property
    def proof(self) -> Mapping[str, Scalar] | None:
        """What the race has shown that took this trial, and what it builds on, over to `main`; None without one."""
        return next((check for check in reversed(self.checks) if check.get(IS_PROOF) is True), None)

    @property
    def seconds(self) -> float:
        """Training time of all runs."""
        return math.fsum(run.seconds for run in self.runs)

    def run(self, seed: int) -> Run | None:
        """The run that was made with `seed`; the later one where it was repeated."""
        return next((run for run in reversed(self.runs) if run.seed == seed), None)
