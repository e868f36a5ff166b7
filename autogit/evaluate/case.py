"""A candidate against its incumbent: one comparison, from its first pair of runs to its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autogit.config.model import Config
from autogit.evaluate.noise import Noise, means, merits, noise, normal_score, student_deviate
from autogit.evaluate.objective import Objective
from autogit.evaluate.race import Step, race
from autogit.evaluate.reasons import comparison, interval
from autogit.evaluate.seeds import block
from autogit.protocols import Judgement, More
from autogit.records import Record, Run, Verdict
from autogit.wording import counted

HOPELESS = -2.0
"""While the noise of pairs is unknown a candidate gets all its seeds, so that it becomes known; not below this z."""
INTERVAL_Z = 1.959964
"""Reported intervals hold the true gain 95 times of 100."""
FRESH = 1
"""Seeds that took no part in choosing, on which an accepted change's gain is measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate against its incumbent, with all that is known."""

    config: Config
    objective: Objective
    runs: Sequence[Run]
    incumbent: Record
    records: Sequence[Record]
    lines: int
    """Added minus removed by the candidate's diff."""
    seeds: range
    """The block that decides."""
    fresh: range
    """The next block, which measures an accepted change's gain."""

    def greedy(self) -> More | Judgement:
        """One seed, better by more than `min_delta`: accepted."""
        chosen = self.seeds if self.config.accept.rule == "certify" else block(self.config, 0)
        seeds = self._usable(chosen)[:1]
        pairs = self._pairs(seeds)
        if len(pairs) < len(seeds):
            return self._more(seeds)
        if not pairs:
            return self._judgement(Verdict.REJECTED, f"{self.incumbent.trial.ref} fails with every seed", {})
        ((merit, gain),) = pairs
        verdict = Verdict.ACCEPTED if self._beats(gain) else Verdict.REJECTED
        return self._judgement(verdict, f"{self._compared(merit, gain)} with one seed", {"gain": gain, "pairs": 1})

    def race(self) -> More | Judgement:
        """Pair after pair until the bounds of the race are crossed; an accepted change is then measured anew."""
        bounds = race(self.config.accept.confidence, self.config.accept.seeds)
        seeds = self._usable(self.seeds)[: bounds.pairs]
        pairs = self._pairs(seeds)
        for k in range(1, len(pairs) + 1):
            luck = self._noise([gain for _, gain in pairs[:k]])
            if luck is None and bounds.pairs > 1 and (missing := self._unrepeated(seeds)):
                return More(incumbent=missing)
            verdict = self._step(pairs[:k], luck, k == len(seeds))
            if verdict is not None:
                accepted = verdict.verdict is Verdict.ACCEPTED and luck is not None and not luck.deterministic
                return self._measured(verdict) if accepted else verdict
        if not seeds:
            return self._judgement(Verdict.REJECTED, f"{self.incumbent.trial.ref} fails with every seed", {})
        return self._more(seeds[: len(pairs) + 1])

    def _step(self, pairs: Sequence[tuple[float, float]], luck: Noise | None, last: bool) -> Judgement | None:
        """The verdict after these pairs (merit, gain), or None where another seed has to tell."""
        bounds = race(self.config.accept.confidence, self.config.accept.seeds)
        k = len(pairs)
        merit, gain = (math.fsum(column) / k for column in zip(*pairs, strict=True))
        compared = self._compared(merit, gain)
        if luck is None or luck.deterministic:
            word = "by one run; the noise is not known" if luck is None else "where equal code gives equal results"
            verdict = Verdict.ACCEPTED if self._beats(gain) else Verdict.REJECTED
            found = {"gain": gain, "pairs": float(k)}
            return self._judgement(verdict, f"{compared}, {word}", found if luck is None else found | {"sigma": 0.0})
        z = normal_score((gain - self._needed(luck)) * math.sqrt(k) / luck.sd, luck.freedom)
        step = bounds.step(z, k)
        learning = not luck.paired and z > HOPELESS
        if not last and (step is Step.GO_ON or (step is Step.DROP and learning)):
            return None
        statistics = {"gain": gain, "z": z, "sigma": luck.sd, "freedom": luck.freedom, "pairs": k, "lines": self.lines}
        figures = f"z = {z:.1f} after {counted(k, 'paired seed')}"
        if step is Step.ACCEPT:
            word = " and it removes code" if self._lenient else ""
            return self._judgement(Verdict.ACCEPTED, f"{compared} ({figures}){word}", statistics)
        word = ", within the noise" if gain > 0 else ""
        return self._judgement(Verdict.REJECTED, f"{compared}{word} ({figures})", statistics)

    def _measured(self, chosen: Judgement) -> More | Judgement:
        """What an accepted change gains on seeds that took no part in choosing it; accepted it is whatever they say."""
        chosen_by = [gain for _, gain in self._pairs(self._usable(self.seeds))]
        seeds = self._usable(self.fresh)[:FRESH]
        pairs = self._pairs(seeds)
        if len(pairs) < len(seeds):
            return self._more(seeds)
        luck = self._noise(chosen_by, [gain for _, gain in pairs])
        if luck is None or not pairs:
            return chosen
        merit, gain = (math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
        half = student_deviate(INTERVAL_Z, luck.freedom) * luck.sd / math.sqrt(len(pairs))
        found = {"gain": gain, "low": gain - half, "high": gain + half, "fresh": float(len(pairs))}
        statistics = dict(chosen.statistics) | {"chosen_gain": chosen.statistics["gain"]} | found
        z, k = chosen.statistics["z"], int(chosen.statistics["pairs"])
        word = ", and it removes code" if self._lenient else ""
        span = interval(self.objective, gain - half, gain + half)
        how = f"chosen with z = {z:.1f} after {counted(k, 'paired seed')}"
        reason = f"{self._compared(merit, gain)} on {counted(len(pairs), 'fresh seed')} ({span}; {how})"
        fresh = [run for run in self.runs if run.seed in seeds]
        return replace(chosen, reason=reason + word, metrics=means(fresh), statistics=statistics)

    def _compared(self, merit: float, gain: float) -> str:
        return comparison(self.objective, merit, gain, self.incumbent)

    def _judgement(self, verdict: Verdict, reason: str, statistics: dict[str, float]) -> Judgement:
        return Judgement(verdict, reason, means(self.runs), statistics)

    @property
    def _lenient(self) -> bool:
        """Whether the change only has to be not much worse, since it removes code."""
        return self.lines < 0 and self.config.accept.margin > 0

    def _needed(self, luck: Noise) -> float:
        """The true gain that a change has to exceed."""
        return -self.config.accept.margin * luck.sd if self._lenient else self.config.metric.min_delta

    def _beats(self, gain: float) -> bool:
        """Without noise: better by more than `min_delta`, or equal with less code."""
        return gain > self.config.metric.min_delta or (gain == 0 and self.lines < 0)

    def _noise(self, *own: Sequence[float]) -> Noise | None:
        return noise(self.records, self.objective.merit, own)

    def _pairs(self, seeds: Sequence[int]) -> list[tuple[float, float]]:
        """(candidate's merit, its gain) of the first seeds that both have, up to the first that is missing."""
        mine = merits(self.runs, self.objective.merit)
        theirs = merits(self.incumbent.runs, self.objective.merit)
        pairs = []
        for seed in seeds:
            if seed not in mine or seed not in theirs:
                break
            pairs.append((mine[seed], mine[seed] - theirs[seed]))
        return pairs

    def _more(self, seeds: Sequence[int]) -> More:
        """Those of `seeds` that are missing, on either side."""
        mine = {run.seed for run in self.runs}
        return More(tuple(s for s in seeds if s not in mine), self._unrepeated(seeds))

    def _unrepeated(self, seeds: Sequence[int]) -> tuple[int, ...]:
        theirs = {run.seed for run in self.incumbent.runs}
        return tuple(seed for seed in seeds if seed not in theirs)

    def _usable(self, seeds: range) -> list[int]:
        """The block without the seeds that the incumbent itself fails with."""
        theirs = merits(self.incumbent.runs, self.objective.merit)
        failed = {run.seed for run in self.incumbent.runs if run.seed not in theirs}
        return [seed for seed in seeds[: 3 * self.config.accept.seeds] if seed not in failed]
