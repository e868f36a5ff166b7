"""Turns a budget of training compute into the number of steps that a trial's own code may make.

    python budget.py --flops 8e10                     prints steps: N
    python budget.py --flops 8e10 --steps 200         watches a whole training: does it keep to that?

Runs a few steps of train.py in a process of its own and counts the multiplications and additions of every matrix
product, convolution, attention and recurrent layer in them, in every thread, forward, backward and in the optimizer.
What is not counted (norms, activations, copies) costs time all the same: the supervisor's time limit is for that. The
monitor is not charged. Fewer FLOPs than the model has parameters for each byte that it was shown (a dense one takes six
times as many) are refused: then most of the training is done where nobody counts.
"""

from __future__ import annotations

import argparse
import math
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROBED_STEPS = 8
"""A schedule over a run (of lengths, of batch sizes) is sampled at so many places."""
LEAST_STEPS, MOST_STEPS = 10, 20_000
TOLERANCE = 1.05
"""What a whole training may spend of its budget: a schedule is sampled at a few places only."""


def flops_of(steps: int, seed: int = 1, folder: str = "") -> int:
    """Returns the FLOPs of a run of train.py as it lies here, when it is told `steps`.

    Raises RuntimeError if it fails, ValueError if it does more than is counted.
    """
    receiving, sending = os.pipe()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as out:
        child = subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--count",
                str(sending),
                "--steps",
                str(steps),
                "--seed",
                str(seed),
                "--out",
                out,
                "--data",
                folder,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[sending],
            env={**os.environ, "TORCHDYNAMO_DISABLE": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        os.close(sending)
        with os.fdopen(receiving) as answer:
            counted = answer.read()
        words = counted.split()
        if child.wait() != 0 or len(words) != 3 or not all(word.isdigit() for word in words):
            errors.seek(0)
            raise RuntimeError("train.py fails:\n" + errors.read()[-2000:].decode(errors="replace"))
    flops, products, least = map(int, words)
    if flops == 0 or products < least:
        raise ValueError(f"{products} FLOPs were counted, fewer than parameters times bytes ({least}): the training is "
                         "done where they are not counted (another process, NumPy, an own operator); use torch's "
                         "matrix products, convolutions, attention and recurrent layers")  # fmt: skip
    if least == 0:
        raise ValueError("the model of model.py was never called in training mode: its training cannot be counted")
    return flops


def steps_for(flops: float, one_step: float) -> int:
    """Returns how many steps the budget pays for. Raises ValueError if it pays for too few to train."""
    steps = min(MOST_STEPS, int(flops / one_step))
    if steps < LEAST_STEPS:
        raise ValueError(f"one step costs {one_step:.4g} FLOPs: {flops:.4g} pay for {steps}, below {LEAST_STEPS}")
    return steps


def count(answer: int, steps: int, seed: int, out: str, folder: str) -> None:
    """In the child: runs the script and writes its FLOPs to the file descriptor `answer`."""
    import data
    from isolation import hide

    hide(data.masked(folder))

    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    from monitor import Monitor

    aten = torch.ops.aten
    # Attention and recurrent layers on the CPU have operators of their own, which the counter takes for free.
    formulas = {
        aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda grad, q, k, v, *_, **__: (
            sdpa_backward_flop_count(grad, q, k, v)
        ),
        aten.mkldnn_rnn_layer: lambda inputs, *weights, **__: _recurrent(inputs, weights[:2]),
        aten.mkldnn_rnn_layer_backward: lambda inputs, *weights, **__: 2 * _recurrent(inputs, weights[:2]),
        aten._cudnn_rnn: lambda inputs, weights, *_, **__: _recurrent(inputs, weights),
        aten._cudnn_rnn_backward: lambda inputs, weights, *_, **__: 2 * _recurrent(inputs, weights),
    }
    Monitor.loss = lambda self, model: 1.0
    sys.argv = ["train.py", "--seed", str(seed), "--steps", str(steps), "--out", out, "--data", folder]
    # As they are before the trial's code can put others in their place.
    total, each = FlopCounterMode.get_total_flops, FlopCounterMode.get_flop_counts
    counters: list[FlopCounterMode] = []
    shown = Shown(torch)

    def counter() -> FlopCounterMode:
        counters.append(FlopCounterMode(display=False, custom_mapping=formulas))
        return counters[-1]

    inner = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def counted(thread: threading.Thread) -> None:
        with counter():  # a mode holds for the thread that entered it
            inner(thread)

    threading.Thread._bootstrap_inner = counted  # type: ignore[attr-defined]
    with counter():
        runpy.run_path(str(Path(__file__).with_name("train.py")), run_name="__main__")
    # Attention has no parameters of its own: its products do not show that those of the layers were made.
    products = sum(n for c in counters for op, n in each(c).get("Global", {}).items() if "dot_product" not in str(op))
    os.write(answer, f"{sum(map(total, counters))} {products} {shown.least()}".encode())


class Shown:
    """Sees each call of the model in training mode, in every thread: how many bytes it got."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._products: dict[int, tuple[Any, int]] = {}
        torch.nn.modules.module.register_module_forward_pre_hook(self._called)

    def least(self) -> int:
        """Returns parameters times bytes. Tables that are looked up, not multiplied with, do not count."""
        return sum(self._multiplied(model) * count for model, count in self._products.values())

    def _called(self, module: Any, inputs: tuple[Any, ...]) -> None:
        if type(module).__module__ == "model" and type(module).__name__ == "GPT" and module.training and inputs:
            before = self._products.get(id(module), (module, 0))[1]
            self._products[id(module)] = module, before + inputs[0].numel()

    def _multiplied(self, model: Any) -> int:
        tables = {id(m.weight) for m in model.modules() if isinstance(m, self._torch.nn.Embedding)}
        return sum(p.numel() for p in model.parameters() if p.dim() > 1 and p.requires_grad and id(p) not in tables)


def _recurrent(inputs: Sequence[int], weights: Sequence[Sequence[int]]) -> int:
    """Returns the FLOPs of a recurrent layer, from shapes: each element of a sequence meets each weight."""
    return 2 * math.prod(inputs[:2]) * sum(math.prod(shape) for shape in weights if len(shape) == 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flops", type=float, help="training compute of one run")
    parser.add_argument("--steps", type=int, help="what training was told: its whole compute is held to the budget")
    parser.add_argument("--seed", type=int, default=1, help="as in training")
    parser.add_argument("--data", default="", metavar="DIR", help="as in training")
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count is not None:
        count(options.count, options.steps, options.seed, options.out, options.data)
        return
    if options.flops is None:
        parser.error("--flops is missing: the training compute of one run, such as 8e10")
    try:
        if options.steps is not None:
            share = flops_of(options.steps, options.seed, options.data) / options.flops
            print(
                f"spent: {share:.4f}" if share <= TOLERANCE else f"refused: it trains for {share:.2f} times its budget"
            )
            return
        one_step = flops_of(PROBED_STEPS, folder=options.data) / PROBED_STEPS
        steps = steps_for(options.flops, one_step)
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
    print(f"flops_per_step: {one_step:.0f}")
    print(f"steps: {steps}")


if __name__ == "__main__":
    main()
