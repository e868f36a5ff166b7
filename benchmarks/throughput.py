"""Tokens per second of the shipped train.py, beside a plain PyTorch step of the same model on the same device.

    python benchmarks/throughput.py                  # CPU: about two minutes on two quiet cores
    python benchmarks/throughput.py --bf16-tflops 989 # on a GPU also the share of its peak (989: H100 and H200, dense)

The plain step is the least that trains the model: batches that are on the device already, forward, cross-entropy,
backward, AdamW. What train.py does besides (drawing batches, the schedule, monitoring, printing) is what it costs. Both
alternate, so that a machine that gets slower, or is shared, is slower for both; the median of the pairs' ratios counts.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

WORKSPACE = Path(__file__).parents[1] / "workspace"
PLAIN = """
import json, runpy, sys, time
import torch
import torch.nn.functional as F
sys.argv = ["train.py", "--steps", "1", "--out", sys.argv[1]]
names = runpy.run_path("train.py", run_name="plain")
model, optimizer, device, network = (names[name] for name in ("model", "optimizer", "device", "network"))
batch, context = names["batch_size"] * names["scale"], model.config.block_size
batches = [names["next_batch"]() for _ in range(16)]
def step(number):
    inputs, targets = batches[number % len(batches)]
    with names["precision"]:
        loss = F.cross_entropy(network(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
model.train()
start = time.perf_counter()
for number in range(STEPS):
    step(number)
if device == "cuda":
    torch.cuda.synchronize()
seconds = time.perf_counter() - start
table = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
multiplied = sum(p.numel() for p in model.parameters() if id(p) not in table)
# PaLM's count (https://arxiv.org/abs/2204.02311, appendix B): 6 for each parameter, 12 for attention.
attention = 12 * model.config.n_layer * model.config.n_embd * context
print(json.dumps({"rate": STEPS * batch * context / seconds, "device": device,
                  "name": torch.cuda.get_device_name() if device == "cuda" else "CPU",
                  "flops_per_token": 6 * multiplied + attention}))
"""


def shipped(steps: int, out: str) -> float:
    """Returns tokens per second as train.py has them, its first steps included."""
    command = [sys.executable, "train.py", "--seed", "1", "--steps", str(steps), "--out", out]
    done = subprocess.run(command, cwd=WORKSPACE, capture_output=True, text=True, check=True)
    found = re.search(r"^throughput_tokens_per_sec: (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


@dataclass(frozen=True)
class Plain:
    """What the plain step does."""

    rate: float
    """Tokens per second."""
    device: str
    name: str
    flops_per_token: float


def plain(steps: int, out: str) -> Plain:
    """Runs so many plain steps, after the one that train.py makes."""
    code = PLAIN.replace("STEPS", str(steps))
    done = subprocess.run([sys.executable, "-c", code, out], cwd=WORKSPACE, capture_output=True, text=True, check=True)
    return Plain(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Prints both rates, their ratio, and on a GPU the model FLOPs utilisation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="steps of each run")
    parser.add_argument("--pairs", type=int, default=5, help="how often each of them runs")
    parser.add_argument("--bf16-tflops", type=float, help="the GPU's peak, dense, in bfloat16")
    options = parser.parse_args()
    rates, ratios = [], []
    with tempfile.TemporaryDirectory() as out:
        for pair in range(options.pairs):
            if pair % 2:
                rate, bare = shipped(options.steps, out), plain(options.steps, out)
            else:
                bare, rate = plain(options.steps, out), shipped(options.steps, out)
            rates.append(rate)
            ratios.append(rate / bare.rate)
            print(f"train.py {rate:,.0f}, plain step {bare.rate:,.0f} tokens per second: {ratios[-1]:.3f}", flush=True)
    print(f"{bare.name}: train.py reaches {statistics.median(ratios):.1%} of the plain step (median of {len(ratios)})")
    if bare.device == "cuda" and options.bf16_tflops:
        used = statistics.median(rates) * bare.flops_per_token / (options.bf16_tflops * 1e12)
        print(f"model FLOPs utilisation: {used:.1%} of {options.bf16_tflops:g} TFLOPS")


if __name__ == "__main__":
    main()
