"""How often the acceptance rule is fooled, what it finds and what it costs, by simulation and on real runs.

    python benchmarks/acceptance.py                                  # about a minute
    python benchmarks/acceptance.py --sigma 0.05 --correlation 0.5   # your own noise
    python benchmarks/acceptance.py --labs 2000                      # labs whose noise is not what the rule assumes

First single trials, at known and at estimated noise: false accepts, power and runs of the race. Then whole loops
through `StandardEvaluator.decide` itself, seed by seed, beside two rules that are used elsewhere: greedy (one run
better than the incumbent's), and "|best - baseline| / MAD": better than the best so far, and further from the baseline
than twice the median absolute deviation of all values. A run's loss is the true loss of its code plus noise of standard
deviation `sigma`, which runs of the same seed share as `correlation` says. Sizes of effects are given in `sigma`.
Last, the race on real runs of the shipped workspace (benchmarks/real_pairs.py).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import real_pairs

from autogit.config.model import Accept, Config, Metric, Train
from autogit.evaluate import StandardEvaluator
from autogit.evaluate.checks import gain, total_gain, wilson
from autogit.evaluate.noise import student_deviate
from autogit.evaluate.race import Race, race
from autogit.history import History
from autogit.protocols import Judgement
from autogit.records import BASELINE, Record, Run, RunStatus, Trial

REFERENCE = Race((0.8, 1.2, 1.6, 1.9, 2.2), (math.inf, 3.2, 3.2, 3.2, 2.2))


@dataclass(frozen=True)
class World:
    """What the simulated research is like."""

    sigma: float
    """Standard deviation of a run's loss between seeds."""
    correlation: float
    """Of the losses of two codes trained with the same seed."""
    null: float = 0.5
    """The share of changes that do nothing."""
    good: float = 0.1
    """The share that improves, by an exponential amount of mean `size`; the rest harms by as much."""
    size: float = 1.0
    """In `sigma`."""

    def __str__(self) -> str:
        return (
            f"sigma {self.sigma:g}% of the loss, correlation {self.correlation:g};\n{self.null:.0%} of the changes do "
            f"nothing, {self.good:.0%} improve and the rest harm, by {self.size:g} sigma on average"
        )

    def effect(self, rng: np.random.Generator) -> float:
        """How much one change really improves."""
        kind = rng.random()
        amount = rng.exponential(self.size * self.sigma)
        return 0.0 if kind < self.null else amount if kind < self.null + self.good else -amount

    def loss(self, level: float, loop: int, trial: int, seed: int) -> float:
        """One run's loss: always the same for the same code and seed."""
        shared = np.random.default_rng([loop, seed]).standard_normal()
        own = np.random.default_rng([loop, seed, 1 + trial]).standard_normal()
        return level + self.sigma * (math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * own)


def simulate(bounds: Race, effect: float, dof: int | None, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """(share accepted, runs per trial) of `count` trials whose true effect is `effect` standard deviations of a pair.

    With `dof` the standard deviation is estimated anew for each trial, from so many degrees of freedom.
    """
    sd = np.ones(count) if dof is None else np.sqrt(rng.chisquare(dof, count) / dof)
    total, going = np.zeros(count), np.ones(count, bool)
    accepted = runs = 0
    for k, limits in enumerate(zip(bounds.drop, bounds.accept, strict=True), 1):
        drop, accept = limits if dof is None else (_student(limit, dof) for limit in limits)
        runs += int(going.sum())
        total += effect + rng.standard_normal(count)
        t = total / math.sqrt(k) / sd
        passed = going & (t > accept)
        accepted += int(passed.sum())
        going &= ~passed & (t >= drop)
    return accepted / count, runs / count


def _student(limit: float, dof: int) -> float:
    return limit if math.isinf(limit) else student_deviate(limit, dof)


@dataclass
class Tally:
    """What became of many loops under one rule."""

    keeps: int = 0
    worthless: int = 0
    runs: int = 0
    trials: int = 0
    nulls: int = 0
    fooled: int = 0
    true: list[float] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    totals_covered: list[bool] = field(default_factory=list)

    def row(self, name: str) -> str:
        """One line of the table; a dash where there is nothing to tell."""
        low, high = wilson(self.worthless, self.keeps)
        cells = [
            _share(self.worthless, self.keeps),
            f"{low:.1%} to {high:.1%}",
            _share(self.fooled, self.nulls),
            f"{self.keeps / len(self.true):.2f}",
            f"{np.mean(self.true):.2f}",
            f"{sum(self.claimed) / sum(self.true):.2f}" if sum(self.true) > 0 else "-",
            _share(sum(self.covered), len(self.covered)),
            _share(sum(self.totals_covered), len(self.totals_covered)),
            f"{self.runs / self.trials:.2f}",
        ]
        return _aligned(name, cells)


HEADER = (
    "not better",
    "95% interval",
    "null kept",
    "keeps",
    "true gain",
    "claim/true",
    "covered",
    "total cov.",
    "runs/trial",
)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _aligned(name: str, cells: Sequence[str]) -> str:
    widths = (10, 16, 9, 6, 9, 10, 8, 10, 10)
    return f"{name:28}" + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def loops(world: World, accept: Accept, trials: int, count: int) -> Tally:
    """`count` loops of `trials` trials each, judged by the evaluator itself."""
    tally = Tally()
    for loop in range(count):
        _loop(world, Config(train=Train("train"), metric=Metric(), accept=accept), trials, loop, tally)
    return tally


def _loop(world: World, config: Config, trials: int, loop: int, tally: Tally) -> None:
    rng = np.random.default_rng([loop, 2**20])
    history = History(config.metric)
    evaluator = StandardEvaluator(config, history)
    levels = {"c0": 100.0}
    best = "c0"
    claimed = 0.0
    for number in range(trials + 1):
        effect = world.effect(rng) if number else 0.0
        trial = Trial(f"{number}", f"c{number}", best, "", "simulation" if number else BASELINE, "")
        levels[trial.commit] = levels[best] - effect
        record = judged(world, evaluator, history, trial, levels, loop, tally)
        history.add(record)
        tally.trials += 1
        tally.nulls += number > 0 and effect == 0
        if number and record.accepted:
            best = trial.commit
            tally.keeps += 1
            tally.worthless += effect <= 0
            tally.fooled += effect == 0
            claimed += record.statistics["gain"] / world.sigma
            if (found := gain(record)) is not None:
                tally.covered.append(found.low <= effect <= found.high)
    tally.true.append((levels["c0"] - levels[best]) / world.sigma)
    tally.claimed.append(claimed)
    if (total := total_gain(history)) is not None:
        tally.totals_covered.append(total.low <= levels["c0"] - levels[best] <= total.high)


def judged(
    world: World,
    evaluator: StandardEvaluator,
    history: History,
    trial: Trial,
    levels: dict[str, float],
    loop: int,
    tally: Tally,
) -> Record:
    """What the evaluator makes of a trial, run after run; `levels` are the true losses of commits."""
    runs: list[Run] = []

    def made(of: Trial, seeds: tuple[int, ...]) -> list[Run]:
        tally.runs += len(seeds)
        return [
            Run(s, RunStatus.COMPLETED, 1.0, metrics={"val_loss": world.loss(levels[of.commit], loop, of.number, s)})
            for s in seeds
        ]

    while True:
        incumbent = None if trial.is_baseline else history.at(trial.base)
        decision = evaluator.decide(runs, incumbent, history, 1)
        if isinstance(decision, Judgement):
            return Record(
                trial, decision.verdict, decision.reason, decision.metrics, tuple(runs), statistics=decision.statistics
            )
        if incumbent is not None:
            history.add(replace(incumbent, runs=(*incumbent.runs, *made(incumbent.trial, decision.incumbent))))
        runs += made(trial, decision.candidate)


# ---- labs whose noise is not what the rule assumes, and changes that do nothing

KINDS = {
    "normal": "normal noise",
    "t3": "heavy tails (Student's t, 3 degrees of freedom)",
    "lucky": "skewed: now and then a lucky run",
    "unlucky": "skewed: now and then a bad run",
    "broken": "5% of runs 8 sd worse",
    "unlike 0.5": "candidates differ in noise (log sd 0.5)",
    "unlike 1.0": "candidates differ in noise (log sd 1.0)",
    "seeds 0.6": "neighbouring seeds correlated 0.6",
}
CANDIDATES = 40
"""Changes that do nothing, judged on one baseline by each lab."""
REACH = 40
"""Neighbouring seeds whose noise a seed shares."""


@dataclass(frozen=True)
class Odd(World):
    """A world whose runs have noise of another `kind`."""

    kind: str = "normal"

    def loss(self, level: float, loop: int, trial: int, seed: int) -> float:
        """One run's loss."""
        name, _, size = self.kind.partition(" ")
        shared = np.random.default_rng([loop, seed]).standard_normal()
        rng = np.random.default_rng([loop, seed, 1 + trial])
        own, scale = rng.standard_normal(), 1.0
        if name == "t3":
            own = rng.standard_t(3) / math.sqrt(3)
        elif name == "lucky":
            own = 1 - rng.exponential()
        elif name == "unlucky":
            own = rng.exponential() - 1
        elif name == "broken":
            own += 8 * (rng.random() < 0.05)
        elif name == "unlike" and trial > 0:
            scale = math.exp(float(size) * np.random.default_rng([loop, 77, 1 + trial]).standard_normal())
        elif name == "seeds":
            rho = float(size)
            near = [
                np.random.default_rng([loop, REACH + seed - k, 1 + trial, 5]).standard_normal() for k in range(REACH)
            ]
            own = math.sqrt(1 - rho**2) * math.fsum(rho**k * one for k, one in enumerate(near))
        mixed = math.sqrt(self.correlation) * shared + scale * math.sqrt(1 - self.correlation) * own
        return level + self.sigma * mixed


def judged_lab(world: World, accept: Accept, candidates: int, effect: float, loop: int) -> list[bool]:
    """Which of a lab's candidates were accepted; each improves by `effect` standard deviations of a pair."""
    config = Config(train=Train("train"), metric=Metric(), accept=accept)
    history = History(config.metric)
    evaluator, tally, levels, accepted = StandardEvaluator(config, history), Tally(), {"c0": 100.0}, []
    for number in range(candidates + 1):
        trial = Trial(f"{number}", f"c{number}", "c0", "", "simulation" if number else BASELINE, "")
        gained = effect * world.sigma * math.sqrt(2 * (1 - world.correlation)) if number else 0.0
        levels[trial.commit] = 100.0 - gained
        record = judged(world, evaluator, history, trial, levels, loop, tally)
        history.add(record)
        if number:
            accepted.append(record.accepted)
    return accepted


def odd_labs(world: World, accept: Accept, labs: int) -> str:
    """How often the first candidate, and any of forty, passes though it does nothing; and the first one's power."""
    first = sum(judged_lab(world, accept, 1, 0.0, loop)[0] for loop in range(labs))
    power = [sum(judged_lab(world, accept, 1, effect, loop)[0] for loop in range(labs // 10)) for effect in (1.0, 2.0)]
    many = [judged_lab(world, accept, CANDIDATES, 0.0, loop) for loop in range(labs // 40)]
    every, total = sum(map(sum, many)), CANDIDATES * len(many)
    fooled = sum(map(any, many))
    rates = [f"{hits / of:6.2%} ({low:.2%} to {high:.2%})" for hits, of in ((first, labs), (every, total))
             for low, high in [wilson(hits, of)]]  # fmt: skip
    shares = ", ".join(f"{hits / (labs // 10):.0%}" for hits in power)
    return f"{rates[0]:>26} {rates[1]:>26} {fooled:3} of {len(many):3} {shares:>10}"


def mad_loops(world: World, trials: int, count: int) -> Tally:
    """Loops that keep what is better than the best so far and whose |value - baseline| / MAD is above 2."""
    tally = Tally()
    for loop in range(count):
        rng = np.random.default_rng([loop, 2**20])
        level, values = 100.0, [world.loss(100.0, loop, 0, 1)]
        best = values[0]
        for number in range(1, trials + 1):
            effect = world.effect(rng)
            value = world.loss(level - effect, loop, number, 1)
            values.append(value)
            mad = np.median(np.abs(values - np.median(values)))
            tally.nulls += effect == 0
            if value < best and abs(value - values[0]) / mad > 2:
                best, level = value, level - effect
                tally.keeps += 1
                tally.worthless += effect <= 0
                tally.fooled += effect == 0
        tally.trials += trials
        tally.runs += trials + 1
        tally.true.append((100.0 - level) / world.sigma)
        tally.claimed.append((values[0] - best) / world.sigma)
    return tally


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description="The acceptance rule by simulation.")
    parser.add_argument("--sigma", type=float, default=0.02, help="seed noise, as a share of the loss (default 0.02)")
    parser.add_argument(
        "--correlation", type=float, default=0.83, help="of two codes with the same seed (default 0.83)"
    )
    parser.add_argument("--confidence", type=float, default=0.99)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100, help="of one loop (default 100)")
    parser.add_argument("--labs", type=int, help="only labs with odd noise, so many for each row")
    parser.add_argument("--loops", type=int, default=100, help="for each rule (default 100)")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    if options.labs:
        heads = ("the first", "all 40 of a lab")
        print(f"{'changes that do nothing, accepted:':58} {heads[0]:>26} {heads[1]:>26} labs fooled  power at 1, 2")
        for correlation in (options.correlation, 0.0):
            for kind, words in KINDS.items():
                world = Odd(100 * options.sigma, correlation, kind=kind)
                accept = Accept(confidence=options.confidence, seeds=options.seeds)
                print(f"correlation {correlation:4g}, {words:40} {odd_labs(world, accept, options.labs)}", flush=True)
        return

    print("single trials; effects in standard deviations of a paired difference; 200,000 trials each")
    print(f"{'rule':42} {'null':>7} {'1':>6} {'1.5':>6} {'2':>6}   runs at null, 1")
    ours = race(options.confidence, options.seeds)
    cases: list[tuple[str, Race, int | None]] = [("reference bounds, noise known", REFERENCE, None)]
    cases += [
        (f"race, noise {'known' if f is None else f'from {f} degrees of freedom'}", ours, f) for f in (None, 30, 10, 4)
    ]
    for name, bounds, dof in cases:
        found = [simulate(bounds, effect, dof, 200_000, rng) for effect in (0.0, 1.0, 1.5, 2.0)]
        rates = " ".join(f"{rate:6.1%}" for rate, _ in found[1:])
        print(f"{name:42} {found[0][0]:7.2%} {rates}   {found[0][1]:.2f}, {found[1][1]:.2f}")

    accept = Accept(confidence=options.confidence, seeds=options.seeds)
    for correlation in (options.correlation, 0.0):
        world = World(100 * options.sigma, correlation)
        print(f"\n{options.loops} loops of {options.trials} trials: {world}")
        print(_aligned("rule", HEADER))
        for name, rule in (("race", accept), ("greedy", replace(accept, rule="greedy"))):
            print(loops(world, rule, options.trials, options.loops).row(name))
        print(mad_loops(world, options.trials, options.loops).row("|best - baseline| / MAD > 2"))
    real_pairs.report(ours, np.random.default_rng(1))


if __name__ == "__main__":
    main()
