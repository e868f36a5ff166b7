"""The `stack` rule: keep what leads on one seed, and prove the whole line of kept changes against `main` at once.

What a gain costs to prove grows with the inverse of its square, so several changes are proved together for the price of
one. Choosing may be wrong and costs nothing but time: its noise is a guess until runs say better. A proof may not be
wrong: it is the race of the line's tip against `main`, on seeds that chose nothing, by noise that was measured. Its
interval is the repeated one of Jennison and Turnbull ("Group Sequential Methods", 2000): it holds whenever the race
stops. What of it is decided when follows from the records alone, so that a proof goes on after a kill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from autogit.config.model import Config
from autogit.evaluate.comparison import BLOCK, PROOF, Comparison, block, dead, incomplete, proof_block, seed_at
from autogit.evaluate.noise import MAX_Z, Noise, judged_from, means, noise, pooled, scores, student_deviate
from autogit.evaluate.objective import Objective, objective
from autogit.evaluate.race import Step, race
from autogit.history import History
from autogit.protocols import Judgement, More
from autogit.records import AGAINST, GAIN, HIGH, IS_PROOF, IS_TOTAL, LOW, SIGMA, Record, Run, Verdict, Z
from autogit.wording import counted

KEEP_Z = 1.0
"""A change is kept if it leads by more than so many standard deviations of a pair."""
GUESSED_SHARE = 0.01
"""Standard deviation of a run, as a share of the first baseline's score, until runs were repeated."""
GUESSED_DOF = 2.0
"""Degrees of freedom that the guess is worth beside what was measured."""
READY_Z = 4.0
"""A line that leads by so many standard deviations of a pair proves itself,"""
LEAST_Z = 2.0
"""or by so many, if the search has stalled."""
STALLED_RUNS = 3.0
"""Runs' worth of training after the last kept change that count as a stall."""
PROOF_RUNS = 4.0
"""About how many runs a proof takes: two pairs."""
FEW_DOF = 0.75
"""Share of the promised error that the bounds of a proof are made for. They are those of a z, and a proof looks at a t
with a few degrees of freedom again and again: bounds made for 1% let 1.2% pass (benchmarks/proof_size.py)."""
TOTAL_PAIRS = 2
"""Pairs that measure what `main` gained over the first baseline in all."""
_TOTAL = 3 * PROOF // 2
"""Where in a block the seeds begin that measure the total; nobody was chosen or proved by them."""
INTERVAL_Z = 1.959964
"""The interval of the total holds the true gain 95 times of 100."""
EXACT_DOF = 3
"""Repeats that agree to the last digit, after which equal code is taken to give equal results."""


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Two trials on the same seeds."""

    gains: tuple[float, ...]
    missing: More


class StackRule:
    """`stack`: keep on one seed, prove the line of kept changes as a whole."""

    baseline_seeds = 1
    lead = -1.0
    """Pruning is lax by one unit: a run that ends about level may be one that the next one builds on."""
    controls_errors = True
    guesses_noise = True

    def __init__(self, config: Config) -> None:
        self._config = config

    def seeds(self, incumbent: Record | None, history: History, runs: Sequence[Run]) -> Sequence[int]:
        """Returns those of the latest proof, with the first of which `main` has run already.

        They change with each proof, failed or not: one lucky run of `main` must not flatter, or hide, all that comes.
        """
        proofs = _proofs(history)
        for number in range(proofs, -1, -1):
            seeds = proof_block(self._config, number - 1) if number else block(self._config, 0)
            # A candidate that has begun stays with its seed, whatever is proved beside it.
            if not runs or runs[0].seed == seeds[0]:
                return seeds
        return [run.seed for run in runs]

    def fresh_seeds(self, incumbent: Record, history: History) -> Sequence[int]:
        """Returns none: a step is not measured again, the line is."""
        return ()

    def judge(self, comparison: Comparison) -> More | Judgement:
        """Keeps a candidate that leads by enough on the search seed."""
        seeds = comparison.usable(comparison.seeds)[:1]
        pairs = comparison.pairs(seeds)
        if len(pairs) < len(seeds):
            return comparison.more(seeds)
        if not pairs:
            reason = f"{comparison.incumbent.trial.ref} fails with every seed"
            return comparison.judgement(Verdict.REJECTED, reason, {})
        (pair,) = pairs
        sd = self._roughly(comparison.noise(), comparison.objective, comparison.records)
        margin = self._config.accept.margin * sd if comparison.lenient else 0.0
        z = _ratio(pair.gain + margin, sd)
        found = {GAIN: pair.gain, Z: z, SIGMA: sd, "pairs": 1.0, "lines": float(comparison.lines)}
        words = f"{comparison.compared(pair.score, pair.gain)} with one seed (z = {z:.1f})"
        if z > KEEP_Z or (sd == 0 and comparison.beats(pair.gain)):
            return comparison.judgement(Verdict.KEPT, f"kept: {words}", found | {"kept": 1.0})
        luck = ", within the noise" if pair.gain > 0 else ""
        return comparison.judgement(Verdict.REJECTED, words + luck, found)

    def prove(self, line: Sequence[Record], history: History, ending: bool) -> tuple[Record, More | Judgement] | None:
        """Returns where the race of the line's tip against `main` is; None if none is due."""
        against = history.at(line[0].trial.base)
        if against is None:
            return None
        if (exact := self._without_noise(line[-1], against, history)) is not None:
            return line[-1], self._numbered(exact, history)
        seeds = proof_block(self._config, _proofs(history))
        begun = [record for record in line if any(run.seed in seeds for run in record.runs)]
        tip = begun[-1] if begun else line[-1]
        if not begun and not ending and not self._due(tip, against, line, history):
            return None
        decision = self._race(tip, against, history, seeds)
        return tip, self._numbered(decision, history) if isinstance(decision, Judgement) else decision

    def total(self, main: Record, history: History) -> More | Judgement | None:
        """Returns what `main` gained over the first baseline on seeds of their own; None if it is known, or nothing."""
        first = history.baseline
        if first is None or main.id == first.id or any(check.get(IS_TOTAL) for check in main.checks):
            return None
        index = _proofs(history) * BLOCK + _TOTAL
        seeds = [seed_at(self._config, index + i) for i in range(TOTAL_PAIRS)]
        compared = self._compared(history)
        pairs = _paired(main, first, compared, seeds)
        if len(pairs.gains) < TOTAL_PAIRS:
            failed = dead([r for record in (main, first) for r in record.runs if r.seed in seeds])
            return None if failed else pairs.missing
        measured = noise(history.compared(), compared.score, [pairs.gains], self._proof_gains(history))
        if measured is None:
            return None
        gain = _mean(pairs.gains)
        half = student_deviate(INTERVAL_Z, measured.dof) * measured.sd / math.sqrt(TOTAL_PAIRS)
        found = {GAIN: gain, LOW: gain - half, HIGH: gain + half, "pairs": float(TOTAL_PAIRS)}
        return Judgement(Verdict.ACCEPTED, f"{gain:.4g} better than {first.trial.ref} in all", {}, found)

    # ---- private

    @staticmethod
    def _numbered(judgement: Judgement, history: History) -> Judgement:
        """Notes which proof it is: its seeds follow from that."""
        return replace(judgement, statistics={**judgement.statistics, "proof_number": float(_proofs(history))})

    def _compared(self, history: History) -> Objective:
        return objective(self._config, {} if history.baseline is None else history.baseline.metrics)

    def _roughly(self, measured: Noise | None, compared: Objective, records: Sequence[Record]) -> float:
        """Returns the standard deviation of a pair to choose by: what is known, and a guess beside it."""
        if measured is not None and measured.deterministic:
            return 0.0
        first = next((r for r in records if r.trial.is_baseline and r.accepted), None)
        level = compared.score(first.metrics) if first is not None else None
        guess = math.sqrt(2) * GUESSED_SHARE * (abs(level) if level else 1.0)
        if measured is None:
            return guess
        total = GUESSED_DOF + measured.dof
        return math.sqrt((GUESSED_DOF * guess**2 + measured.dof * measured.sd**2) / total)

    def _due(self, tip: Record, against: Record, line: Sequence[Record], history: History) -> bool:
        """Whether the line leads by enough, and a proof can be afforded."""
        compared, records = self._compared(history), history.compared()
        sd = self._roughly(noise(records, compared.score), compared, records)
        mine, theirs = scores(tip.runs, compared.score), scores(against.runs, compared.score)
        shared = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
        lead = _mean(shared) if shared else math.fsum(record.statistics.get(GAIN, 0.0) for record in line)
        z = _ratio(lead, sd)
        usual = median(run.seconds for record in (tip, against) for run in record.runs)
        place = next(i for i, record in enumerate(records) if record.id == tip.id)
        stalled = math.fsum(r.seconds for r in records[place + 1 :]) >= STALLED_RUNS * usual
        spent = math.fsum(record.seconds for record in records)
        proved = {seed for number in range(_proofs(history)) for seed in proof_block(self._config, number)}
        raced = [r for r in records if r.id == tip.id or r.accepted or any(IS_PROOF in check for check in r.checks)]
        proving = math.fsum(run.seconds for record in raced for run in record.runs[1:] if run.seed in proved)
        cost = PROOF_RUNS * usual
        affordable = proving + cost <= self._config.accept.proof * (spent + cost)
        return affordable and (z >= READY_Z or (z >= LEAST_Z and stalled))

    def _race(self, tip: Record, against: Record, history: History, seeds: Sequence[int]) -> More | Judgement:
        confidence = 1 - FEW_DOF * (1 - self._config.accept.confidence)
        compared, bounds = self._compared(history), race(confidence, self._config.accept.seeds)
        failed = {r.seed for r in against.runs if r.seed in seeds and not r.status.counts}
        usable = [seed for seed in seeds if seed not in failed][: bounds.pairs]
        runs = [run for run in tip.runs if run.seed in usable]
        if judgement := dead(runs) or incomplete(runs, compared):
            return judgement
        pairs = _paired(tip, against, compared, usable)
        # Looked at once for each pair, with the noise as it was known then: a look that is made again is one more look.
        gains, k = pairs.gains, len(pairs.gains)
        last = k == len(usable)
        measured = self._proof_noise(tip, against, gains, seeds, history) if k else None
        if measured is None or measured.deterministic:
            # Two seeds that agree to the last digit on both sides are enough to see that there is no noise.
            if k < min(2, len(usable)):
                return pairs.missing
            exact = measured or Noise(0.0, 1, paired=False)
            return self._said(tip, against, compared, gains, exact, bounds.accept[k - 1])
        step = bounds.step(measured.z(_mean(gains) - self._config.metric.min_delta, k), k)
        if step is Step.GO_ON and not last:
            return pairs.missing
        return self._said(tip, against, compared, gains, measured, bounds.accept[k - 1], step)

    def _without_noise(self, tip: Record, against: Record, history: History) -> Judgement | None:
        """Returns the judgement by one pair if repeated runs have shown that equal code gives equal results here."""
        compared = self._compared(history)
        measured = noise(history.compared(), compared.score)
        if measured is None or not measured.deterministic or measured.dof < EXACT_DOF:
            return None
        mine, theirs = scores(tip.runs, compared.score), scores(against.runs, compared.score)
        gains = [mine[seed] - theirs[seed] for seed in mine if seed in theirs][:1]
        return self._said(tip, against, compared, gains, measured, 0.0) if gains else None

    def _proof_noise(
        self, tip: Record, against: Record, gains: Sequence[float], seeds: Sequence[int], history: History
    ) -> Noise | None:
        """Returns the noise of a pair by runs with seeds of proofs alone: those of the search have chosen the tip."""
        compared = self._compared(history)
        proved = {*seeds, *(s for number in range(_proofs(history)) for s in proof_block(self._config, number))}
        raced = [r for r in history.compared() if r.id not in (tip.id, against.id)] + [tip, against]
        groups = [[v for seed, v in scores(r.runs, compared.score).items() if seed in proved] for r in raced]
        unit = max((abs(value) for group in groups for value in group), default=1.0) or 1.0
        repeats, others, own = (
            [[value / unit for value in group] for group in some if len(group) > 1]
            for some in (groups, self._proof_gains(history), [gains])
        )
        found = judged_from(pooled(repeats), others, own)
        return None if found is None else found.scaled(unit)

    def _proof_gains(self, history: History) -> list[list[float]]:
        """Returns the paired differences of earlier proofs, failed ones too: proved ones alone would be a selection."""
        compared = self._compared(history)
        found: list[list[float]] = []
        for record in history:
            for check in record.checks:
                against = str(check.get(AGAINST, ""))
                if IS_PROOF in check and against in history:
                    seeds = proof_block(self._config, int(check["proof_number"]))
                    gains = _paired(record, history[against], compared, seeds).gains
                    found += [list(gains)] if len(gains) > 1 else []
        return found

    def _said(
        self, tip: Record, against: Record, compared: Objective, gains: Sequence[float], measured: Noise,
        bound: float, step: Step | None = None,
    ) -> Judgement:  # fmt: skip
        """Words the judgement, with the repeated interval: the bound that accepts, in both directions."""
        k, gain = len(gains), _mean(gains)
        if measured.deterministic:
            proved, z, half = gain > self._config.metric.min_delta, math.copysign(MAX_Z, gain) if gain else 0.0, 0.0
        else:
            proved, z = step is Step.ACCEPT, measured.z(gain - self._config.metric.min_delta, k)
            half = student_deviate(bound, measured.dof) * measured.sd / math.sqrt(k)
        found = {
            GAIN: gain, LOW: gain - half, HIGH: gain + half, Z: z, SIGMA: measured.sd,
            "dof": float(measured.dof), "pairs": float(k),
        }  # fmt: skip
        seeds = counted(k, "fresh seed")
        side = "below" if compared.direction == "min" else "above"
        if proved:
            least = f", at least {gain - half:.3g}" if half else ""
            reason = f"{compared.name} is {abs(gain):.3g} {side} {against.trial.ref} on {seeds}{least} (z = {z:.1f})"
            return Judgement(Verdict.ACCEPTED, reason, means(tip.runs), found)
        word = "no better than" if gain <= 0 else f"only {gain:.3g} better than"
        return Judgement(Verdict.REJECTED, f"{word} {against.trial.ref} on {seeds} (z = {z:.1f})", {}, found)


def _paired(a: Record, b: Record, compared: Objective, seeds: Sequence[int]) -> _Pairs:
    """Returns the differences up to the first seed that is missing on a side, and what to run for one pair more."""
    mine, theirs = scores(a.runs, compared.score), scores(b.runs, compared.score)
    gains = []
    for seed in seeds:
        if seed not in mine or seed not in theirs:
            break
        gains.append(mine[seed] - theirs[seed])
    wanted = seeds[len(gains) : len(gains) + 1]
    ran = {run.seed for run in a.runs}, {run.seed for run in b.runs}
    return _Pairs(tuple(gains), More(*(tuple(seed for seed in wanted if seed not in done) for done in ran)))


def _proofs(records: Iterable[Record]) -> int:
    """Counts the proofs that are over."""
    return sum(IS_PROOF in check for record in records for check in record.checks)


def _ratio(gain: float, sd: float) -> float:
    if sd == 0:
        return math.copysign(MAX_Z, gain) if gain else 0.0
    return gain / sd


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
