"""Who finds the better code with the same compute: the search beside its peers and without its parts.

    python benchmarks/search.py replay RESULTS.jsonl [--repetitions 100] [--part 0/2] [--only METHOD]
    python benchmarks/search.py show RESULTS.jsonl

`replay` runs every method on the recorded table (benchmarks/search_table.py) as if it trained, and appends a line for
each repetition; several may work with a part and a file each, and what is there already is not done again. autogit is
the loop itself, with its proposers, portfolio, race and pruning (search_world.py). With real training: search_live.py.

All training counts, in full runs' worth of compute: the baseline, confirmations, what is stopped until then. A method
is judged by what it would hand over: its pick's loss in the table (the mean over the recorded seeds), and the mean over
five fresh seeds, which are drawn anew from how seeds differ in the table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import search_points as points
from scipy.stats import wilcoxon
from search_methods import METHODS
from search_runs import Table
from search_task import Task

BUDGET = 48.0
"""Full runs' worth of compute: about half as many as there are configurations on a track."""
LOOKS = (8, 16, 24, 32, 40, 48)
FRESH = range(90_001, 90_006)
TRACKS = {"hyperparameters": (points.HYPERPARAMETERS, ()), "code": (points.CODE, points.PATTERNS)}
OURS, PEER, CHANCE = "autogit", "TPE + Hyperband", "random"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One repetition of one method."""

    track: str
    method: str
    repetition: int
    trials: int
    spent: list[float]
    losses: list[float]
    """The pick's loss in the table, from `spent` on."""
    fresh: float
    seconds: float

    def at(self, spent: float) -> float:
        """The loss of what it would hand over once so much is spent."""
        return self.losses[max(0, int(np.searchsorted(self.spent, spent, side="right")) - 1)]


def replay(path: Path, repetitions: Sequence[int], only: str) -> None:
    """Appends what `path` lacks of these repetitions; of one method, if `only` names it."""
    measured = Table()
    known = {(o.track, o.method, o.repetition) for o in read([path])} if path.exists() else set()
    for repetition in repetitions:
        for track, (values, patterns) in TRACKS.items():
            for method, run in METHODS.items():
                if (track, method, repetition) in known or method != (only or method):
                    continue
                start = time.process_time()
                trace = run(Task(measured, dict(values), patterns, BUDGET, repetition))
                final = trace.at(BUDGET)
                losses = [measured.mean(pick) for pick in trace.picks]
                changes = [i for i in range(len(losses)) if i == 0 or losses[i] != losses[i - 1]]
                outcome = {
                    "track": track,
                    "method": method,
                    "repetition": repetition,
                    "trials": trace.trials,
                    "spent": [round(trace.spent[i], 3) for i in changes],
                    "losses": [round(losses[i], 6) for i in changes],
                    "fresh": float(np.mean([measured.run(final, seed, repetition).loss for seed in FRESH])),
                    "seconds": round(time.process_time() - start, 3),
                }
                with path.open("a") as file:
                    file.write(json.dumps(outcome) + "\n")


def read(paths: Sequence[Path]) -> list[Outcome]:
    """The outcomes in these files."""
    return [Outcome(**json.loads(line)) for path in paths for line in path.read_text().splitlines()]


def show(outcomes: Sequence[Outcome]) -> None:
    """Prints the tables of both tracks, over the repetitions that all methods have."""
    measured = Table()
    print(
        f"table: {len(measured.keys)} configurations; losses of one code differ between seeds by {measured.own_sd:.4f} "
        f"(standard deviation), and by {measured.seed_sd:.4f} alike for all codes"
    )
    for track, (_, patterns) in TRACKS.items():
        listed = points.code_points() if patterns else points.hyperparameter_points()
        losses = sorted(measured.mean(point.key) for point in listed)
        rows = {
            method: {o.repetition: o for o in outcomes if (o.track, o.method) == (track, method)} for method in METHODS
        }
        rows = {method: row for method, row in rows.items() if row}
        common = sorted(set.intersection(*(set(row) for row in rows.values())))
        print(
            f"\n{track}: {len(listed)} configurations, best {losses[0]:.4f}, second {losses[1]:.4f}, "
            f"shipped {measured.mean(points.start().key):.4f}; {len(common)} repetitions"
        )
        _track({method: [row[i] for i in common] for method, row in rows.items()}, losses[0])


def _track(rows: dict[str, list[Outcome]], best: float) -> None:
    finals = {method: np.array([o.at(BUDGET) for o in row]) for method, row in rows.items()}
    if PEER not in finals or OURS not in finals:
        for method, row in rows.items():
            print(f"{method:30}" + "".join(f"{np.mean([o.at(look) for o in row]) - best:8.4f}" for look in LOOKS))
        return
    target = float(finals[PEER].mean())
    print(f"{'':31}regret after so many full runs{'':25}fresh   to reach    better, worse   Wilcoxon")
    head = "".join(f"{look:>8}" for look in LOOKS)
    print(f"{'method':30}{head}{'loss':>9}{f'{target - best:.4f}':>9} trials   than {OURS}         p")
    grid = np.arange(1.0, BUDGET + 0.01, 0.25)
    for method, row in rows.items():
        regret = "".join(f"{np.mean([o.at(look) for o in row]) - best:8.4f}" for look in LOOKS)
        curve = np.array([np.mean([o.at(spent) for o in row]) for spent in grid])
        reached = grid[curve <= target + 1e-9]
        when = f"{reached[0]:.1f}" if len(reached) else "-"
        difference = finals[method] - finals[OURS]
        odds = f"{np.sum(difference < 0):>6}, {np.sum(difference > 0):<6}" if method != OURS else f"{'':14}"
        p = f"{wilcoxon(difference).pvalue:10.2g}" if np.any(difference) else f"{'':10}"
        fresh, trials = np.mean([o.fresh for o in row]), np.mean([o.trials for o in row])
        print(f"{method:30}{regret}{fresh:9.4f}{when:>9}{trials:7.1f}   {odds} {p}")
    worse = finals[OURS] - finals[CHANCE]
    print(
        f"{OURS} ends worse than {CHANCE} in {np.sum(worse > 0)} of {len(worse)} repetitions"
        + (f", by {worse[worse > 0].mean():.4f} on average" if np.any(worse > 0) else "")
        + f"; worse than {CHANCE}'s mean in {np.sum(finals[OURS] > finals[CHANCE].mean())}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("replay", "show"))
    parser.add_argument("paths", type=Path, nargs="+", metavar="RESULTS.jsonl")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first repetition's number, which its dice follow")
    parser.add_argument("--only", default="", choices=("", *METHODS), help="one method alone")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th repetition, from the k-th (from 0)")
    options = parser.parse_args()
    if options.command == "replay":
        part, parts = map(int, options.part.split("/"))
        numbers = range(options.first, options.first + options.repetitions)[part::parts]
        replay(options.paths[0], numbers, options.only)
    else:
        show(read(options.paths))


if __name__ == "__main__":
    main()
