"""Trains the shipped workspace and a few changed variants of it again and again, with another seed each time.

    OMP_NUM_THREADS=1 python benchmarks/repeats.py                  # about three minutes on one core
    OMP_NUM_THREADS=1 python benchmarks/repeats.py --seeds 4 --out /tmp/few.json

What comes out (benchmarks/data/repeats.json) are real pairs of runs: benchmarks/acceptance.py draws from them. Each
run is train.py with half of the shipped budget; its loss is measured on the pieces of the validation split that
evaluate.py takes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import runpy
import shutil
import signal
import sys
import tempfile
from pathlib import Path

WORKSPACE = Path(__file__).parents[1] / "workspace"
OUT = Path(__file__).parent / "data" / "repeats.json"
VARIANTS = {
    "baseline": ("train.py", "", ""),
    "weight_decay 0.01 to 0.02": ("train.py", "weight_decay = 0.01", "weight_decay = 0.02"),
    "GELU to SiLU": ("model.py", "F.gelu(x)", "F.silu(x)"),
    "learning_rate 1e-3 to 1.2e-3": ("train.py", "learning_rate = 1e-3", "learning_rate = 1.2e-3"),
}
"""Name -> one edit: the file, what stands there, what is put there."""


def losses(name: str, seeds: range, steps: int) -> list[float]:
    """val_loss of a variant, in nats per byte, seed after seed. To be called in a process of its own."""
    import torch
    from torch.nn.functional import cross_entropy

    path, old, new = VARIANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "gpt"
        shutil.copytree(WORKSPACE, copy, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        text = (copy / path).read_text()
        assert not old or text.count(old) == 1, f"{path} does not hold {old!r} once"
        (copy / path).write_text(text.replace(old, new) if old else text)
        sys.path.insert(0, str(copy))
        import data
        import evaluate

        found = []
        for seed in seeds:
            sys.argv = ["train.py", "--seed", str(seed), "--steps", str(steps), "--out", f"{folder}/out"]
            model = runpy.run_path(str(copy / "train.py"), run_name="__main__")["model"].eval()
            pieces = evaluate.windows(data.load("validation"), model.config.block_size)
            tokens = torch.from_numpy(pieces).long().to(next(model.parameters()).device)
            with torch.inference_mode():
                found.append(cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).item())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # train.py takes it; the pool ends its process by it
        return found


def main() -> None:
    """Makes the runs and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--steps", type=int, default=100, help="of each run; the shipped budget pays for 200")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    found: dict[str, object] = {"steps": options.steps, "seeds": list(seeds)}
    for name in VARIANTS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = [round(loss, 6) for loss in pool.apply(losses, (name, seeds, options.steps))]
        print(name, found[name], file=sys.stderr)
    rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()]
    options.out.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
