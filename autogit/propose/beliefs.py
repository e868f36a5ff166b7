"""How much improvement a second of training with each proposer is believed to bring, from the records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autogit.history import History
from autogit.records import Record, Verdict

DISCOUNT = 0.98
"""What a trial counts for, compared with the one after it: what helped once need not help now."""
ACCEPT_DISCOUNT = 0.6
"""What all earlier trials count for after an accepted one, which made a new situation."""
PRIOR = (0.5, 2.0)
"""Successes and failures that are imagined of everyone who has ideas of their own."""
SECOND_HAND_PRIOR = (0.1, 2.0)
"""The same of those who only try again what was tried: 0 of 58 such trials were accepted against 24 of 175 others, in
six loops of the shipped workspace (benchmarks/data/loops.jsonl.xz)."""
_NEGLIGIBLE = 1e-3


@dataclass(slots=True)
class Arm:
    """Discounted counts of one proposer, or of one kind of its moves."""

    successes: float = 0.0
    failures: float = 0.0
    gain: float = 0.0
    """Summed improvement of the accepted trials, in percent of the incumbents they beat."""
    seconds: float = 0.0

    def add(self, other: Arm) -> None:
        self.successes += other.successes
        self.failures += other.failures
        self.gain += other.gain
        self.seconds += other.seconds


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one proposer (`operator` empty) or of one kind of its moves."""

    proposer: str
    operator: str
    attempts: int
    accepted: int
    probability: float
    """That its next trial is accepted."""
    gain: float
    """Improvement in percent, if it is accepted."""
    seconds: float
    """Training time of one trial."""

    @property
    def rate(self) -> float:
        """Expected improvement in percent per hour of training."""
        return 3600 * self.probability * self.gain / self.seconds


@dataclass(frozen=True, slots=True)
class Arms:
    """All arms of a lab, and the average trial, towards which the little known ones are drawn."""

    arms: dict[tuple[str, str], Arm]
    counts: dict[tuple[str, str], tuple[int, int]]
    average: Arm = field(default_factory=Arm)
    second_hand: frozenset[str] = frozenset()
    """Proposers that only try again what was tried."""

    @classmethod
    def of(cls, history: History, second_hand: frozenset[str] = frozenset()) -> Arms:
        """Counts every trial of `history`, each for less than the one after it."""
        gained = history.relative_effects()
        arms: dict[tuple[str, str], Arm] = {}
        average = Arm()
        weight = 1.0
        for record in reversed(list(_counted(history))):
            if weight > _NEGLIGIBLE:
                one = _one(record, gained.get(record.id, 0.0), weight)
                arms.setdefault((record.trial.proposer, ""), Arm()).add(one)
                for part in record.trial.parts:
                    share = Arm(one.successes, one.failures, one.gain / len(record.trial.parts), one.seconds)
                    arms.setdefault((record.trial.proposer, part), Arm()).add(share)
                average.add(one)
            weight *= DISCOUNT * (ACCEPT_DISCOUNT if record.won else 1.0)
        return cls(arms, _counts(history), average, second_hand)

    def belief(self, proposer: str, operator: str = "") -> Belief:
        arm = self.arms.get((proposer, operator), Arm())
        attempts, accepted = self.counts.get((proposer, operator), (0, 0))
        a, b = self._odds(proposer, arm)
        return Belief(proposer, operator, attempts, accepted, a / (a + b), self._gain(arm), self._seconds(arm))

    def draw(self, rng: np.random.Generator, proposer: str, operator: str = "") -> float:
        """A guess at the rate, as uncertain as what is known (Thompson sampling)."""
        arm = self.arms.get((proposer, operator), Arm())
        chance = rng.beta(*self._odds(proposer, arm))
        return float(chance) * self._gain(arm) / self._seconds(arm)

    def draw_parts(self, rng: np.random.Generator, proposer: str, parts: Sequence[str]) -> float:
        """A guess at the rate of a proposal of several parts: the mean of theirs, whoever tried them before."""
        return sum(self.draw(rng, self._knows(proposer, part), part) for part in parts) / len(parts)

    def _knows(self, proposer: str, part: str) -> str:
        """Who has tried this part most often; `proposer` if nobody has tried it more often."""
        tried = {who: count for (who, what), (count, _) in self.counts.items() if what == part}
        return max(tried, key=lambda who: (tried[who], who == proposer), default=proposer)

    def _odds(self, proposer: str, arm: Arm) -> tuple[float, float]:
        """Returns successes and failures, the imagined ones included."""
        successes, failures = SECOND_HAND_PRIOR if proposer in self.second_hand else PRIOR
        return successes + arm.successes, failures + arm.failures

    def _gain(self, arm: Arm) -> float:
        # One accepted trial of average gain is imagined of everyone, and of the average one of 1%.
        usual = (self.average.gain + 1.0) / (self.average.successes + 1)
        return max((arm.gain + usual) / (arm.successes + 1), 1e-9)

    def _seconds(self, arm: Arm) -> float:
        everyone = self.average.successes + self.average.failures
        usual = (self.average.seconds + 1.0) / (everyone + 1.0)
        return (arm.seconds + usual) / (arm.successes + arm.failures + 1)


def beliefs(history: History) -> list[Belief]:
    """One for each proposer and each kind of move that was tried, the most promising first."""
    from autogit.propose.proposer import traits
    from autogit.propose.registry import own_proposers

    arms = Arms.of(history, frozenset(p.name for p in own_proposers() if traits(p).second_hand))
    every = [arms.belief(proposer, operator) for proposer, operator in arms.counts]
    return sorted(every, key=lambda belief: (-belief.rate, belief.proposer, belief.operator))


def _counted(history: Iterable[Record]) -> Iterable[Record]:
    """Trials that tell of a proposer; a superseded one is told by its second try."""
    return (r for r in history if not r.trial.is_baseline and r.verdict is not Verdict.SUPERSEDED)


def _one(record: Record, gain: float, weight: float) -> Arm:
    won = record.won
    return Arm(
        weight if won else 0.0, 0.0 if won else weight, weight * max(gain, 0.0) if won else 0.0, weight * record.seconds
    )


def _counts(history: History) -> dict[tuple[str, str], tuple[int, int]]:
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for record in _counted(history):
        for key in ((record.trial.proposer, part) for part in ("", *record.trial.parts)):
            attempts, accepted = counts.get(key, (0, 0))
            counts[key] = attempts + 1, accepted + record.won
    return counts
