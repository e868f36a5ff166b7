"""Loops walked through the recorded table of benchmarks/search_table.py, as trials for benchmarks/pruning.py.

    python benchmarks/walks.py [TABLE] [--walks 40] [--half 0] | python benchmarks/pruning.py /dev/stdin

A walk begins at the shipped code. A trial is a configuration of the table, one change away from the incumbent or two,
drawn by lot among those that the walk has not tried; all its runs were really trained, to their end. As in a loop each
trial has a first run with the incumbent's seed, and further seeds only where that one is not clearly worse; it becomes
the incumbent where its mean over all seeds is lower by twice the noise. `--half` keeps the configurations of one half
of the table (0 or 1, by their names), so that a rule can be chosen on one and reported on the other.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import random
import statistics
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pruning import FullRun, Line

TABLE = Path(__file__).parent / "data/search-table.json.xz"
START = "learning_rate=0.001 batch_size=8 n_layer=2 beta2=0.999"
TRIALS = 40
WARM_UP = "warmup_steps = 10"
Table = Mapping[str, Sequence[FullRun]]
"""Configuration -> its runs, one for each seed."""


def read(paths: Sequence[Path]) -> Table:
    """The configurations that were trained to their end with every seed that the shipped code was trained with."""
    runs: list[dict[str, object]] = []
    for path in paths:
        if path.suffix == ".xz":
            runs += json.loads(lzma.decompress(path.read_bytes()))["runs"]
        else:
            runs += map(json.loads, path.read_text().splitlines())
    table: dict[str, list[FullRun]] = defaultdict(list)
    for run in runs:
        if run["val_loss"] is not None and run["curve"]:
            found = [run[name] for name in ("seed", "val_loss", "steps", "points", "curve")]
            seed, final, total, steps, values = found
            table[str(run["key"])].append(FullRun(seed, final, total, tuple(steps), tuple(values)))  # type: ignore[arg-type]
    seeds = sorted(run.seed for run in table[START])
    by_seed = {key: {run.seed: run for run in found} for key, found in sorted(table.items())}
    return {key: [runs[seed] for seed in seeds] for key, runs in by_seed.items() if runs.keys() >= set(seeds)}


def distance(a: str, b: str) -> int:
    """How many changes lie between two configurations."""
    first, second = set(a.split()), set(b.split())
    settings = {word.partition("=")[0] for word in first ^ second if "=" in word}
    return len(settings) + sum("=" not in word for word in first ^ second)


def noise(table: Table) -> float:
    """Standard deviation of a configuration's loss between seeds, pooled."""
    return math.sqrt(statistics.fmean(statistics.variance(run.final for run in runs) for runs in table.values()))


def walk(table: Table, number: int, sigma: float) -> Iterator[Line]:
    """One loop."""
    lot = random.Random(number)
    incumbent, name = START, "0"
    tried = {incumbent}
    yield Line(f"walk {number}", "0", "0", "accepted", "baseline", "", WARM_UP, tuple(table[incumbent]))
    for trial in range(1, TRIALS + 1):
        near = {key: distance(key, incumbent) for key in table if key not in tried}
        choices = [key for key, moves in near.items() if moves <= 2]
        if not choices:
            return
        key = lot.choices(choices, [1 / near[key] ** 2 for key in choices])[0]
        tried.add(key)
        order = lot.sample(range(len(table[key])), len(table[key]))
        runs, others = ([found[place] for place in order] for found in (table[key], table[incumbent]))
        gaps = [run.final - other.final for run, other in zip(runs, others, strict=True)]
        worse = gaps[0] > math.sqrt(2) * sigma
        accepted = not worse and statistics.fmean(gaps) < -2 * sigma * math.sqrt(2 / len(gaps))
        moved = set(key.split()) ^ set(incumbent.split())
        kind = "patterns" if any("=" not in word for word in moved) else "hyperparameters"
        yield Line(
            f"walk {number}", str(trial), name, "accepted" if accepted else "rejected", kind, "", WARM_UP,
            tuple(runs[: 1 if worse else None]),
        )  # fmt: skip
        if accepted:
            incumbent, name = key, str(trial)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*")
    parser.add_argument("--walks", type=int, default=40)
    parser.add_argument("--half", type=int, choices=(0, 1))
    options = parser.parse_args()
    table = read(options.tables or [TABLE])
    if options.half is not None:
        table = {k: runs for k, runs in table.items() if k == START or zlib.crc32(k.encode()) % 2 == options.half}
    sigma = noise(table)
    for number in range(options.walks):
        for line in walk(table, number, sigma):
            print(json.dumps(asdict(line)))


if __name__ == "__main__":
    main()
