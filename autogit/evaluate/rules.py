"""The acceptance rules: how a candidate becomes an accepted change. One small class each, chosen by `accept.rule`.

Another package adds one by an entry point in the group `autogit.rules`: its name, and a class that is made from a
`Config` and does what `AcceptanceRule` says.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from autogit.config.model import Config
from autogit.errors import ConfigError
from autogit.evaluate.comparison import Comparison, Pair, accepted_until, block, turn
from autogit.evaluate.noise import Noise, means, student_deviate
from autogit.evaluate.race import Race, Step, race
from autogit.evaluate.stack import StackRule
from autogit.history import History
from autogit.protocols import Judgement, More
from autogit.records import GAIN, HIGH, LOW, SIGMA, Record, Run, Verdict, Z
from autogit.wording import counted

HOPELESS = -2.0
"""While the noise of pairs is unknown a candidate gets all its seeds, so that it becomes known; not below this z."""
INTERVAL_Z = 1.959964
"""Reported intervals hold the true gain 95 times of 100."""
FRESH_SEEDS = 1
"""Seeds that took no part in choosing, on which an accepted change's gain is measured."""


class AcceptanceRule(Protocol):
    """Judges candidates. Remembers nothing between calls: the same comparison has the same judgement."""

    baseline_seeds: int
    """The seeds that a baseline is measured with."""
    lead: float
    """By how many units of noise a run has to lead at its end to have a chance; pruning stops what will not."""
    guesses_noise: bool
    """Whether pruning may begin by a guess of the noise, before runs were repeated."""
    controls_errors: bool
    """Whether the rule promises how often it is fooled, so that an A/A test can hold it to that."""

    def seeds(self, incumbent: Record | None, history: History, runs: Sequence[Run]) -> Sequence[int]:
        """Returns the seeds that judge a candidate with these runs against `incumbent`; None: those of a baseline."""

    def fresh_seeds(self, incumbent: Record, history: History) -> Sequence[int]:
        """Returns the seeds that measure what an accepted change gained; none if nothing is measured again."""

    def judge(self, comparison: Comparison) -> More | Judgement:
        """Returns the verdict on a candidate, or which runs to make first."""

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """Returns the tip that has to prove itself, and how far that is; None if no proof is due."""

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """Returns what `main` gained in all, or which runs tell; None if the rule measures each change by itself."""


class RaceRule:
    """`race`: pair after pair until the bounds of a sequential test are crossed; then the gain is measured anew."""

    lead = 0.3
    """After one pair the race drops what is not better by 0.79 of a paired difference's noise (race.py), and that is
    about 0.4 units of what two seeds of unchanged code differ by (PAIRING in noise.py)."""
    guesses_noise = False
    controls_errors = True

    def __init__(self, config: Config) -> None:
        self._config = config
        self.baseline_seeds = config.accept.seeds

    def seeds(self, incumbent: Record | None, history: History, runs: Sequence[Run]) -> Sequence[int]:
        """Returns the incumbent's own block."""
        if incumbent is None:
            return block(self._config, accepted_until(history, ""))
        accepted = accepted_until(history, incumbent.id)
        return block(self._config, accepted, turn(self._config, runs, incumbent, history.compared(), accepted))

    def fresh_seeds(self, incumbent: Record, history: History) -> Sequence[int]:
        """Returns those of the next block."""
        return block(self._config, accepted_until(history, incumbent.id) + 1)

    def judge(self, comparison: Comparison) -> More | Judgement:
        """Returns the verdict as soon as the pairs cross a bound."""
        return run_race(comparison, race(self._config.accept.confidence, self._config.accept.seeds))

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """Returns None: there is no provisional line."""
        return None

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """Returns None: what each change gained is added up."""
        return None


class GreedyRule:
    """`greedy`: one run that is better by more than `min_delta` is enough."""

    baseline_seeds = 1
    lead = 0.0
    guesses_noise = False
    controls_errors = False

    def __init__(self, config: Config) -> None:
        self._config = config

    def seeds(self, incumbent: Record | None, history: History, runs: Sequence[Run]) -> Sequence[int]:
        """Returns the same seeds for all: the run that made an incumbent is what the next candidate has to beat."""
        return block(self._config, 0)

    def fresh_seeds(self, incumbent: Record, history: History) -> Sequence[int]:
        """Returns none."""
        return ()

    def judge(self, comparison: Comparison) -> More | Judgement:
        """Returns the verdict after one pair."""
        seeds = comparison.usable(comparison.seeds)[:1]
        pairs = comparison.pairs(seeds)
        if len(pairs) < len(seeds):
            return comparison.more(seeds)
        if not pairs:
            return _fails(comparison)
        (pair,) = pairs
        words = f"{comparison.compared(pair.score, pair.gain)} with one seed"
        verdict = Verdict.ACCEPTED if comparison.beats(pair.gain) else Verdict.REJECTED
        return comparison.judgement(verdict, words, {GAIN: pair.gain, "pairs": 1})

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """Returns None: there is no provisional line."""
        return None

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """Returns None: what each change gained is added up."""
        return None


# ---- the race of one candidate


def run_race(comparison: Comparison, bounds: Race) -> More | Judgement:
    """Returns where a candidate stands in the race: what to run next, or the verdict, with its gain measured anew."""
    seeds = comparison.usable(comparison.seeds)[: bounds.pairs]
    pairs = comparison.pairs(seeds)
    before: Noise | None = None
    for k in range(1, len(pairs) + 1):
        measured = comparison.noise(pairs[:k])
        if measured is None and bounds.pairs > 1 and (missing := comparison.unrepeated(seeds)):
            return More(incumbent=missing)
        learned = before is not None and not before.paired and measured is not None and measured.paired
        verdict = _looked_at(comparison, bounds, pairs[:k], measured, learned, last=k == len(seeds))
        before = measured
        if verdict is not None:
            proved = verdict.verdict is Verdict.ACCEPTED and measured is not None and not measured.deterministic
            return _measured_anew(comparison, verdict, pairs) if proved else verdict
    if not seeds:
        return _fails(comparison)
    return comparison.more(seeds[: len(pairs) + 1])


def _looked_at(
    comparison: Comparison, bounds: Race, pairs: Sequence[Pair], measured: Noise | None, learned: bool, last: bool
) -> Judgement | None:
    """Returns the verdict after these pairs, or None if another seed has to tell.

    `learned`: whether these pairs are the first ones that tell how noisy pairs are.
    """
    k = len(pairs)
    score, gain = _mean([pair.score for pair in pairs]), _mean([pair.gain for pair in pairs])
    words = comparison.compared(score, gain)
    if measured is None or measured.deterministic:
        word = "by one run; the noise is not known" if measured is None else "where equal code gives equal results"
        verdict = Verdict.ACCEPTED if comparison.beats(gain) else Verdict.REJECTED
        found = {GAIN: gain, "pairs": float(k)}
        return comparison.judgement(verdict, f"{words}, {word}", found if measured is None else found | {SIGMA: 0.0})
    needed = comparison.needed(measured)
    z = measured.z(gain - needed, k)
    step = bounds.step(z, k)
    if not (measured.paired or last) and z > HOPELESS:
        return None
    if learned:
        # The looks that came before had no measure of the noise, and let nobody go: they are made up for now.
        gains = [_mean([pair.gain for pair in pairs[:j]]) for j in range(1, k)]
        if any(bounds.step(measured.z(mean - needed, j), j) is Step.DROP for j, mean in enumerate(gains, 1)):
            step = Step.DROP
    if step is Step.GO_ON and not last:
        return None
    statistics = {GAIN: gain, Z: z, SIGMA: measured.sd, "dof": measured.dof, "pairs": k}
    statistics["lines"] = comparison.lines
    figures = f"z = {z:.1f} after {counted(k, 'paired seed')}"
    if step is Step.ACCEPT:
        word = " and it removes code" if comparison.lenient else ""
        return comparison.judgement(Verdict.ACCEPTED, f"{words} ({figures}){word}", statistics)
    significant = bounds.step(measured.z(gain, k), k) is Step.ACCEPT
    return comparison.judgement(
        Verdict.REJECTED, f"{words}{comparison.short_of(gain, significant)} ({figures})", statistics
    )


def _measured_anew(comparison: Comparison, chosen: Judgement, pairs: Sequence[Pair]) -> More | Judgement:
    """Returns what an accepted change gains on seeds that took no part in choosing it; it is accepted in any case."""
    seeds = comparison.usable(comparison.fresh)[:FRESH_SEEDS]
    fresh = comparison.pairs(seeds)
    if len(fresh) < len(seeds):
        return comparison.more(seeds)
    measured = comparison.noise(pairs, fresh)
    if measured is None or not fresh:
        return chosen
    score, gain = _mean([pair.score for pair in fresh]), _mean([pair.gain for pair in fresh])
    half = student_deviate(INTERVAL_Z, measured.dof) * measured.sd / math.sqrt(len(fresh))
    found = {GAIN: gain, LOW: gain - half, HIGH: gain + half, "fresh": float(len(fresh))}
    statistics = dict(chosen.statistics) | {"chosen_gain": chosen.statistics[GAIN]} | found
    z, k = chosen.statistics[Z], int(chosen.statistics["pairs"])
    word = ", and it removes code" if comparison.lenient else ""
    span = comparison.interval(gain - half, gain + half)
    how = f"chosen with z = {z:.1f} after {counted(k, 'paired seed')}"
    reason = f"{comparison.compared(score, gain)} on {counted(len(fresh), 'fresh seed')} ({span}; {how})"
    runs = [run for run in comparison.runs if run.seed in seeds]
    return replace(chosen, reason=reason + word, metrics=means(runs), statistics=statistics)


def _fails(comparison: Comparison) -> Judgement:
    reason = f"{comparison.incumbent.trial.ref} fails with every seed"
    return comparison.judgement(Verdict.REJECTED, reason, {})


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


# ---- the registry

RULES: Mapping[str, Callable[[Config], AcceptanceRule]] = {
    "race": RaceRule,
    "greedy": GreedyRule,
    "stack": StackRule,
}
"""The rules that come with autogit, by the name that `accept.rule` has for them."""
GROUP = "autogit.rules"
"""The entry points by which other packages add rules."""


def rule_of(config: Config) -> AcceptanceRule:
    """Makes the rule that `config` names. Raises ConfigError if there is none of that name."""
    name = config.accept.rule
    made = RULES.get(name) or _installed().get(name)
    if made is None:
        names = sorted({*RULES, *_installed()})
        near = difflib.get_close_matches(name, names, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        allowed = ", ".join(f'"{known}"' for known in names)
        raise ConfigError(f'.autoresearch.toml: accept.rule = "{name}": expected one of {allowed}{hint}')
    return made(config)


@cache
def _installed() -> Mapping[str, Callable[[Config], AcceptanceRule]]:
    return {point.name: point.load() for point in entry_points(group=GROUP)}
