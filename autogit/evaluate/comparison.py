"""A candidate beside its incumbent: their paired runs, the noise of those, and the words for it. What an acceptance
rule (rules.py) judges by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autogit.config.model import Config
from autogit.evaluate.noise import Noise, means, noise, scores
from autogit.evaluate.objective import Objective
from autogit.protocols import Judgement, More
from autogit.records import Record, Run, RunStatus, Verdict

BLOCK = 1000
"""Seeds that belong to one incumbent: blocks never share a seed."""
PROOF = BLOCK // 2
"""Where in a block the seeds begin that prove its incumbent; no candidate is ever judged by them."""
SPACING = 7919
"""From one seed to the next. Neighbouring seeds (of data loaders that add a worker's number, of generators that are
seeded badly) can give correlated runs, and correlated runs are fewer than they seem."""
MAX_SEED = 2**31
"""Seeds stay below it: what every library takes."""
ROTATE_EVERY = 20
"""Candidates after which an incumbent is compared on new seeds: one lucky run of its own must not flatter, or hide,
everything that comes after."""
MIN_EQUAL_RUNS = 3
"""Runs of an incumbent that measure the same, after which its code is held to give equal results."""
SPARE = 3
"""So many times `accept.seeds` are the seeds of one turn: an incumbent may fail with some."""
DEAD = {
    RunStatus.PRUNED: Verdict.PRUNED,
    RunStatus.UNSTABLE: Verdict.UNSTABLE,
    RunStatus.CRASHED: Verdict.CRASHED,
    RunStatus.TIMED_OUT: Verdict.TIMED_OUT,
    RunStatus.REFUSED: Verdict.REJECTED,
}
"""The verdict on a trial of which a run ended so."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs with one seed."""

    seed: int
    score: float
    """The candidate's; larger is better."""
    gain: float
    """Its score minus the incumbent's."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate and its incumbent with all that is known of them."""

    config: Config
    objective: Objective
    runs: Sequence[Run]
    """The candidate's."""
    incumbent: Record
    records: Sequence[Record]
    """Those that compare with these two, oldest first: the noise is told from them."""
    lines: int
    """Added minus removed by the candidate's diff."""
    seeds: Sequence[int]
    """Those that decide, in order; fixed before the diff was written."""
    fresh: Sequence[int] = ()
    """Those of the next block, which measure an accepted change's gain."""

    def usable(self, seeds: Sequence[int]) -> list[int]:
        """Returns the seeds without those that the incumbent itself fails with."""
        theirs = scores(self.incumbent.runs, self.objective.score)
        failed = {run.seed for run in self.incumbent.runs if run.seed not in theirs}
        return [seed for seed in seeds if seed not in failed]

    def pairs(self, seeds: Sequence[int]) -> list[Pair]:
        """Returns the pairs of the first seeds that both have run with, up to the first one that is missing."""
        mine = scores(self.runs, self.objective.score)
        theirs = scores(self.incumbent.runs, self.objective.score)
        found = []
        for seed in seeds:
            if seed not in mine or seed not in theirs:
                break
            found.append(Pair(seed, mine[seed], mine[seed] - theirs[seed]))
        return found

    def noise(self, *own: Sequence[Pair]) -> Noise | None:
        """Returns the noise of a pair, given the candidate's `own` pairs, block by block."""
        theirs = [*scores(self.incumbent.runs, self.objective.score).values()]
        if (
            len(theirs) >= MIN_EQUAL_RUNS
            and len({*theirs}) == len({*scores(self.runs, self.objective.score).values()}) == 1
        ):
            # What does not vary now is not judged by how former code varied.
            return Noise(0.0, len(theirs) - 1, paired=True)
        return noise(self.records, self.objective.score, [[pair.gain for pair in pairs] for pairs in own])

    def more(self, seeds: Sequence[int]) -> More:
        """Asks for the runs with `seeds` that are missing, on either side."""
        mine = {run.seed for run in self.runs}
        return More(tuple(seed for seed in seeds if seed not in mine), self.unrepeated(seeds))

    def unrepeated(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Returns the seeds that the incumbent has not run with."""
        theirs = {run.seed for run in self.incumbent.runs}
        return tuple(seed for seed in seeds if seed not in theirs)

    @property
    def lenient(self) -> bool:
        """Whether the change only has to be not much worse, since it removes code."""
        return self.lines < 0 and self.config.accept.margin > 0

    def needed(self, measured: Noise) -> float:
        """Returns the true gain that the change has to exceed."""
        return -self.config.accept.margin * measured.sd if self.lenient else self.config.metric.min_delta

    def beats(self, gain: float) -> bool:
        """Whether a gain without noise is enough: more than `min_delta`, or none with less code."""
        return gain > self.config.metric.min_delta or (gain == 0 and self.lines < 0)

    def compared(self, score: float, gain: float) -> str:
        """Says `val_loss 2.8713 is 0.0389 below exp/12`."""
        value, ref = f"{self.objective.name} {self.objective.shown(score):.5g}", self.incumbent.trial.ref
        if gain == 0:
            return f"{value} equals that of {ref}"
        side = "below" if self.objective.shown(gain) < 0 else "above"
        return f"{value} is {abs(gain):.3g} {side} {ref}"

    def interval(self, low: float, high: float) -> str:
        """Says `95% interval 0.021 to 0.057 below`: a gain's, as a distance in the direction that is better."""
        better = "below" if self.objective.direction == "min" else "above"
        return f"95% interval {low:.3g} to {high:.3g} {better}"

    def short_of(self, gain: float, significant: bool) -> str:
        """Says why a gain is not enough: it is luck, or less than is asked for. Empty if there is none."""
        least = self.config.metric.min_delta
        if gain <= 0 or self.lenient:
            return ""
        if 0 < gain <= least or (least and significant):
            return f", less than the {least:g} that metric.min_delta asks for"
        return ", within the noise"

    def judgement(self, verdict: Verdict, reason: str, statistics: Mapping[str, float]) -> Judgement:
        """Makes the judgement on the candidate's runs."""
        return Judgement(verdict, reason, means(self.runs), statistics)


def seed_at(config: Config, index: int) -> int:
    """Returns the seed at a place in the order of all seeds of a lab; the first is `train.seed`."""
    return (config.train.seed + index * SPACING) % MAX_SEED


def block(config: Config, accepted: int, turn: int = 0) -> tuple[int, ...]:
    """Returns the seeds that judge candidates against the `accepted`-th accepted change (0: a baseline).

    The incumbent itself was chosen with seeds of an earlier block, so that its luck is not held against a candidate.
    `turn` counts how often the seeds of this incumbent have been replaced by new ones.
    """
    length = SPARE * config.accept.seeds
    first = accepted * BLOCK + (turn * length) % (PROOF // length * length or length)
    return tuple(seed_at(config, index) for index in range(first, first + length))


def proof_block(config: Config, proof: int) -> tuple[int, ...]:
    """Returns the seeds of a lab's proof, counted from 0. They are known before anything is tried on them."""
    first = proof * BLOCK + PROOF
    return tuple(seed_at(config, index) for index in range(first, first + SPARE * config.accept.seeds))


def turn(config: Config, runs: Sequence[Run], incumbent: Record, records: Iterable[Record], accepted: int) -> int:
    """Returns how often the seeds of `incumbent` were replaced when a candidate with these runs began.

    A candidate that has begun stays with its seeds, whatever is judged beside it.
    """
    judged = sum(
        record.trial.base == incumbent.trial.commit and record.id != incumbent.id and bool(record.runs)
        for record in records
    )
    last = judged // ROTATE_EVERY
    if runs:
        for at in range(last, -1, -1):
            if runs[0].seed in block(config, accepted, at):
                return at
    return last


def accepted_until(records: Iterable[Record], trial: str) -> int:
    """Counts the changes that were accepted up to `trial`, itself included; baselines do not count."""
    count = 0
    for record in records:
        count += record.accepted and not record.trial.is_baseline
        if record.id == trial:
            break
    return count


def dead(runs: Sequence[Run]) -> Judgement | None:
    """Returns the verdict on a candidate of which a run failed; None if all count."""
    failed = next((run for run in runs if not run.status.counts), None)
    if failed is None:
        return None
    reason = f"refused by the evaluator: {failed.reason}" if failed.status is RunStatus.REFUSED else failed.reason
    where = f" (seed {failed.seed})" if len(runs) > 1 else ""
    return Judgement(DEAD[failed.status], (reason or str(failed.status)) + where, means(runs))


def incomplete(runs: Sequence[Run], compared: Objective) -> Judgement | None:
    """Returns the verdict on a candidate that lacks a metric to compare; None if every run has it."""
    if all(compared.score(run.metrics) is not None for run in runs):
        return None
    return Judgement(Verdict.REJECTED, f"{compared.name}: a metric that it is made of was not reported", means(runs))
