"""The table that benchmarks/search.py replays: short runs of the shipped workspace, all combinations of a few changes.

    OMP_NUM_THREADS=1 python benchmarks/search_table.py record runs.jsonl [--part 0/2]
    python benchmarks/search_table.py pack runs.jsonl benchmarks/data/search-table.json.xz
    OMP_NUM_THREADS=1 python benchmarks/search_table.py check

`record` trains what is not in the file yet and appends a line for each run; several may work on one table, each with
its part and its file. PyTorch is imported once and each run is a fork: `check` shows that the numbers are those of the
commands in .autoresearch.toml. Losses depend on the processor in their last digits: one table, one machine.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import lzma
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from search_points import ROOT, code_points, points, start, text_of

FLOPS = 3e10
"""Compute of one run: a little more than a third of what the workspace gives to one."""
SEEDS = (1, 2, 3)


def record(path: Path, part: int = 0, parts: int = 1) -> None:
    """Trains every configuration with every seed that `path` lacks. Seed by seed, so that half a table is of use."""
    import torch  # noqa: F401  before the forks

    _share_the_text()
    steps: dict[str, tuple[float, int]] = {}
    done = set()
    if path.exists():
        for line in path.read_text().splitlines():
            run = json.loads(line)
            done.add((run["key"], run["seed"]))
            steps[run["key"]] = run["flops_per_step"], run["steps"]
    jobs = [(seed, point) for seed in SEEDS for point in points()][part::parts]
    for number, (seed, point) in enumerate(jobs):
        if (point.key, seed) in done:
            continue
        with _folder(text_of(point)) as folder:
            if point.key not in steps:
                steps[point.key] = _budget(folder)
            found = trained(folder, seed, steps[point.key][1])
        line = {"key": point.key, "seed": seed, "flops_per_step": steps[point.key][0], "steps": steps[point.key][1]}
        with path.open("a") as file:
            file.write(json.dumps(line | found) + "\n")
        print(f"{number + 1} of {len(jobs)}: {point.key} seed {seed}: {found['val_loss']}", flush=True)


def trained(folder: Path, seed: int, steps: int) -> dict[str, Any]:
    """The curve (monitored loss by step) and the validation loss of one run; None where it did not come to an end."""
    arguments = ["train.py", "--seed", str(seed), "--steps", str(steps), "--out", "out"]
    ok, printed = _forked(folder, lambda: _script("train.py", arguments))
    curve = [(int(s), float(v)) for s, v in re.findall(r"^step (\d+) .*monitor (\S+)$", printed, re.MULTILINE)]
    loss = None
    if ok:
        ok, scored = _forked(folder, lambda: _evaluate(Path("out")))
        loss = float(scored) if ok else None
    return {"points": [s for s, _ in curve], "curve": [v for _, v in curve], "val_loss": loss}


def _budget(folder: Path) -> tuple[float, int]:
    """(FLOPs of one step, steps of a run), as budget.py counts them."""

    def count() -> None:
        import budget

        receiving, sending = os.pipe()
        with contextlib.redirect_stdout(None):
            budget.count(sending, budget.PROBED_STEPS, 1, "out", "")
        os.close(sending)
        one = int(os.read(receiving, 100)) / budget.PROBED_STEPS
        print(one, budget.steps_for(FLOPS, one))

    ok, printed = _forked(folder, count)
    assert ok, printed
    one, steps = printed.split()
    return float(one), int(steps)


def _evaluate(out: Path) -> None:
    """Prints what evaluate.py measures of a model that can be trusted: it need not run in processes of its own."""
    import numpy as np
    import torch

    import checkpoint
    import data
    import evaluate
    from model import GPT, GPTConfig

    tensors, facts = checkpoint.load(out / checkpoint.FILENAME)
    model = GPT(GPTConfig(**facts["model"]))
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    model.eval()

    class Here(evaluate.Model):
        def __init__(self) -> None:
            self.answer = b""

        def send(self, tokens: np.ndarray, last: bool = False) -> None:
            with torch.inference_mode():
                scores = model(torch.from_numpy(tokens.astype(np.int64)))
            self.answer = scores.numpy().astype("<f4").tobytes()

        def _read(self, size: int) -> bytes:
            return self.answer

    text = evaluate.windows(data.load("validation"), facts["model"]["block_size"])
    inputs, targets = text[:, :-1], text[:, 1:]
    here = Here()
    parts = [evaluate._ask(here, inputs[i : i + evaluate.BATCH]) for i in range(0, len(inputs), evaluate.BATCH)]
    losses = -np.take_along_axis(np.concatenate(parts), targets[..., None].astype(int), axis=-1)
    print(f"{losses.mean(dtype=np.float64):.6f}")


def _share_the_text() -> None:
    """Reads the text once for all forks."""
    sys.path.insert(0, str(ROOT / "workspace"))
    import data

    sys.path.pop(0)
    data.load = functools.cache(data.load)
    for split in ("train", "monitor", "validation"):
        data.load(split)


def _forked(folder: Path, work: Callable[[], None]) -> tuple[bool, str]:
    """(whether it ended well, what it printed) of `work`, done in a process of its own in `folder`."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _become(folder, output.fileno(), work)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return status == 0, output.read().decode()


def _become(folder: Path, output: int, work: Callable[[], None]) -> None:
    """In the child: does `work` in `folder`, prints to `output`, and ends."""
    status = 1
    try:
        os.chdir(folder)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.path.insert(0, str(folder))
        work()
        status = 0
    except SystemExit as end:
        status = 0 if end.code in (None, 0) else 1
        print("" if end.code is None else end.code)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _script(name: str, arguments: list[str]) -> None:
    sys.argv = arguments
    runpy.run_path(name, run_name="__main__")


@contextlib.contextmanager
def _folder(text: Mapping[str, str]) -> Iterator[Path]:
    """The workspace with these files, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "workspace")
        shutil.copytree(ROOT / "workspace", folder, ignore=shutil.ignore_patterns(".git", "out", "__pycache__"))
        for path, content in text.items():
            (folder / path).write_text(content)
        yield folder


def check() -> None:
    """Compares two configurations with the workspace's own commands."""
    import torch  # noqa: F401

    _share_the_text()
    for point in (start(), code_points()[-1]):
        with _folder(text_of(point)) as folder:
            _, steps = _budget(folder)
            here = trained(folder, 2, steps)
            arguments = {"cwd": folder, "capture_output": True, "text": True, "check": True}
            asked = subprocess.run([sys.executable, "budget.py", "--flops", str(FLOPS)], **arguments).stdout
            train = [sys.executable, "train.py", "--seed", "2", "--steps", str(steps), "--out", "out"]
            printed = subprocess.run(train, **arguments).stdout
            scored = subprocess.run([sys.executable, "evaluate.py", "--seed", "2", "--out", "out"], **arguments).stdout
        same = (
            f"steps: {steps}\n" in asked
            and all(
                f"step {s} " in printed and f"monitor {v:.4f}\n" in printed
                for s, v in zip(here["points"], here["curve"], strict=True)
            )
            and f"val_loss: {here['val_loss']:.6f}\n" in scored
        )
        print(f"{point.key}: {steps} steps, val_loss {here['val_loss']}: {'the same' if same else 'DIFFERENT'}")


def pack(sources: list[Path], target: Path) -> None:
    """Puts recorded lines together as the table."""
    runs = [json.loads(line) for source in sources for line in source.read_text().splitlines()]
    runs.sort(key=lambda run: (run["key"], run["seed"]))
    text = json.dumps({"flops": FLOPS, "runs": runs}, separators=(",", ":"))
    target.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{target}: {len(runs)} runs of {len({run['key'] for run in runs})} configurations")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("path", type=Path)
    recording.add_argument("--part", default="0/1")
    packing = commands.add_parser("pack")
    packing.add_argument("paths", type=Path, nargs="+")
    commands.add_parser("check")
    options = parser.parse_args()
    if options.command == "record":
        record(options.path, *map(int, options.part.split("/")))
    elif options.command == "pack":
        pack(options.paths[:-1], options.paths[-1])
    else:
        check()


if __name__ == "__main__":
    main()
