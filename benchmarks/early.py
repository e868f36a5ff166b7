"""How soon the search over parameters finds what is good: made-up tasks, no training.

    python benchmarks/early.py --repetitions 20

Each task has a smooth loss of its own (curved axes that lean on each other, most of the effect in a few parameters),
a start away from its best, and noise that candidate and incumbent share in part. A change is kept if its one run leads
the incumbent's by more than the noise of the difference. What is shown is how much of the way from the start to the
best is left (the true mean, 1 at the start), after so many runs. The tasks are drawn here; nothing was recorded.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from autogit.config.load import parse
from autogit.config.model import Config
from autogit.config.space import Choice
from autogit.history import History
from autogit.propose.search import hyperparameters
from autogit.propose.search.domains import draw, share_at
from autogit.propose.search.gaussian import promising
from autogit.propose.search.nearby import coordinate_moves
from autogit.propose.search.setting import Search, Setting
from autogit.propose.search.tpe import suggestions
from autogit.protocols import Context
from autogit.records import BASELINE, Proposal, Record, Run, RunStatus, Trial, Verdict

SHOWN = (4, 8, 12, 16, 24)
NOISE = 0.02
"""Standard deviation of one run, as a share of the way from the start to the best."""
SHARED = 0.5
"""Share of the variance that two runs with one seed have in common."""

Candidates = Callable[[Context, Search], Iterator[Setting]]


@dataclass
class World:
    """A task, and a lab in memory that works on it."""

    seed: int
    parameters: int
    files: dict[str, str] = field(default_factory=dict)
    _diffs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, self.parameters])
        lines, space = [], []
        for i in range(self.parameters):
            kind = i % 3
            if kind == 0:
                low = 10.0 ** rng.uniform(-5, -2)
                space.append(f"p{i} = {{ low = {low:.3g}, high = {low * 1000:.3g}, log = true }}")
                lines.append(f"p{i} = {low * 10 ** rng.uniform(0.2, 2.8):.3g}")
            elif kind == 1:
                values = [8 * 2**k for k in range(int(rng.integers(4, 7)))]
                space.append(f"p{i} = {values}")
                lines.append(f"p{i} = {values[int(rng.integers(len(values)))]}")
            else:
                space.append(f"p{i} = {{ low = 0.0, high = 0.5 }}")
                lines.append(f"p{i} = {rng.uniform(0, 0.5):.2f}")
        self.config: Config = parse('[train]\ncommand = "python train.py"\n[space]\n' + "\n".join(space))
        self.files = {"train.py": "\n".join(lines) + "\n"}
        d = self.parameters
        self.best = rng.uniform(0.05, 0.95, d)
        weights = rng.exponential(1.0, d) ** 1.5
        self.weights = weights / weights.sum()
        self.lean = np.eye(d) + np.triu(rng.normal(size=(d, d)) * 0.3 / math.sqrt(max(1, d / 4)), 1)
        self.power = rng.uniform(1.4, 2.2)
        self.start = self._raw(self._values(self.files))
        self.history = History(self.config.metric)
        self.base = "c0"
        self._close(Proposal("c0", "", "Baseline", BASELINE, BASELINE), self.files)

    def _values(self, files: dict[str, str]) -> dict[str, float]:
        return {name: float(value) for name, value in (line.split(" = ") for line in files["train.py"].splitlines())}

    def _raw(self, values: dict[str, float]) -> float:
        shares = []
        for name, domain in self.config.space.parameters.items():
            if isinstance(domain, Choice):
                shares.append(list(domain.values).index(int(values[name])) / (len(domain.values) - 1))
            else:
                shares.append(share_at(domain, values[name]))
        return float(self.weights @ np.abs((np.array(shares) - self.best) @ self.lean) ** self.power)

    def left(self, files: dict[str, str] | None = None) -> float:
        """How much of the way from the start to the best is left, without noise."""
        return self._raw(self._values(files or self.files)) / self.start

    def run(self, files: dict[str, str]) -> float:
        """One run, with the one seed of the search."""
        shared = np.random.default_rng([self.seed, 1]).normal()
        own = np.random.default_rng([self.seed, 2, zlib.crc32(files["train.py"].encode())]).normal()
        return 1 + self.left(files) + NOISE * (math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own)

    def context(self) -> Context:
        rng = np.random.default_rng([self.seed, len(self.history)])
        return Context(self.base, dict(self.files), self.history, (), rng, self.config, self, str)

    def diff(self, trial: str) -> str:
        return self._diffs[trial]

    def curves(self, trial: str) -> tuple[()]:
        return ()

    def try_out(self, proposal: Proposal) -> None:
        from autogit.diff import applied

        after = applied(self.files, proposal.diff)
        assert after is not None
        self._close(proposal, {path: text or "" for path, text in after.items()})

    def _close(self, proposal: Proposal, files: dict[str, str]) -> None:
        number = str(len(self.history))
        value = self.run(files)
        incumbent = self.history.at(self.base)
        bar = NOISE * math.sqrt(2 * (1 - SHARED))
        won = incumbent is None or value < (self.history.value(incumbent) or 0.0) - bar
        verdict = Verdict.ACCEPTED if won else Verdict.REJECTED
        trial = Trial(
            number, f"c{number}", proposal.base, proposal.title, proposal.proposer, proposal.operator,
            parameters=proposal.parameters,
        )  # fmt: skip
        metrics = {"val_loss": value}
        self._diffs[number] = proposal.diff
        self.history.add(Record(trial, verdict, "", metrics, (Run(1, RunStatus.COMPLETED, 1.0, 1, metrics),)))
        if won:
            self.base, self.files = trial.commit, files


def random_moves(context: Context, search: Search) -> Iterator[Setting]:
    """One to three parameters at random, half of them near: what the search did before it knew anything."""
    parameters = list(search.found.parameters.values())
    while True:
        yield hyperparameters.random_setting(parameters, context.rng)


def anywhere(context: Context, search: Search) -> Iterator[Setting]:
    """All parameters at random."""
    while True:
        yield {p.name: draw(p.domain, context.rng) for p in search.found.parameters.values()}


def nearby(context: Context, search: Search) -> Iterator[Setting]:
    """Coordinate moves, then at random."""
    yield from coordinate_moves(list(search.found.parameters.values()), search.samples, context.rng)
    yield from random_moves(context, search)


def tpe(context: Context, search: Search) -> Iterator[Setting]:
    """Random moves until TPE knows enough, then parts of what it suggests."""
    for setting, _ in zip(
        suggestions(search.found, search.samples, (), "min", int(context.rng.integers(2**31))), range(8), strict=False
    ):
        yield hyperparameters.part(setting, search.found, context.rng)
    yield from random_moves(context, search)


def gaussian(context: Context, search: Search) -> Iterator[Setting]:
    """Random moves until three settings are known, then the process."""
    yield from promising(search.found, search.samples, "min", context.rng)
    yield from random_moves(context, search)


def nearby_then_gaussian(context: Context, search: Search) -> Iterator[Setting]:
    """Coordinate moves until each parameter had one, then the process."""
    if len(search.samples) <= len(search.found.parameters):
        yield from coordinate_moves(list(search.found.parameters.values()), search.samples, context.rng)
    yield from gaussian(context, search)


def nearby_then_tpe(context: Context, search: Search) -> Iterator[Setting]:
    """Coordinate moves until each parameter had one, then TPE."""
    if len(search.samples) <= len(search.found.parameters):
        yield from coordinate_moves(list(search.found.parameters.values()), search.samples, context.rng)
    yield from tpe(context, search)


METHODS: dict[str, Candidates] = {
    "random": random_moves, "anywhere": anywhere, "nearby": nearby, "tpe": tpe, "gaussian": gaussian,
    "nearby, gaussian": nearby_then_gaussian, "nearby, tpe": nearby_then_tpe,
}  # fmt: skip


def path(method: str, parameters: int, seed: int, runs: int) -> list[float]:
    """What is left after each run of one repetition."""
    world, trace = World(seed, parameters), []
    proposer = hyperparameters.HyperparameterProposer()
    for _ in range(runs):
        context = world.context()
        if method == "autogit":
            proposal = proposer.propose(context)
        else:
            search = Search.of(context)
            made = (search.proposal(context, each, "hyperparameters") for each in METHODS[method](context, search))
            proposal = next(filter(None, made))
        if proposal is not None:
            world.try_out(proposal)
        trace.append(world.left())
    return trace


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first task's number")
    parser.add_argument("--sizes", type=int, nargs="*", default=[4, 8, 20])
    parser.add_argument("--methods", nargs="*", default=[*METHODS, "autogit"])
    options = parser.parse_args(arguments)
    print("| parameters | method | " + " | ".join(f"after {n}" for n in SHOWN) + " |")
    print("| --- | --- |" + " --- |" * len(SHOWN))
    for size in options.sizes:
        for method in options.methods:
            seeds = range(options.first, options.first + options.repetitions)
            traces = np.array([path(method, size, seed, max(SHOWN)) for seed in seeds])
            means, errors = traces.mean(axis=0), traces.std(axis=0, ddof=1) / math.sqrt(len(traces))
            cells = " | ".join(f"{means[n - 1]:.3f} ± {errors[n - 1]:.3f}" for n in SHOWN)
            print(f"| {size} | {method} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
