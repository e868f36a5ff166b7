"""Trains the model within a number of steps: python train.py --seed 1 --steps 400."""

from __future__ import annotations

import argparse
import math
import time

import torch
from data import batches
from model import GPT, GPTConfig

learning_rate = 1e-3
min_learning_rate = 1e-4
weight_decay = 0.1
betas = (0.9, 0.999)
batch_size = 32
warmup_steps = 20
grad_clip = 0.0
eval_interval = 50

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--steps", type=int, default=400)
parser.add_argument("--out", default="out")
arguments = parser.parse_args()


def rate_at(step: int) -> float:
    """Linear warm-up, then a cosine down to the smallest rate."""
    if step < warmup_steps:
        return learning_rate * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, arguments.steps - warmup_steps)
    return min_learning_rate + 0.5 * (learning_rate - min_learning_rate) * (1 + math.cos(math.pi * progress))


def evaluate(model: GPT, split: str, count: int = 8) -> float:
    model.eval()
    losses = []
    with torch.no_grad():
        for inputs, targets in batches(split, batch_size, count):
            _, loss = model(inputs, targets)
            losses.append(loss.item())
    model.train()
    return sum(losses) / len(losses)


torch.manual_seed(arguments.seed)
model = GPT(GPTConfig())
optimizer = torch.optim.AdamW(model.parameter_groups(weight_decay), lr=learning_rate, betas=betas)

started = time.perf_counter()
for step, (inputs, targets) in enumerate(batches("train", batch_size, arguments.steps)):
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step)

    _, loss = model(inputs, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if grad_clip > 0.0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()

    if step % eval_interval == 0:
        print(f"step {step} loss {loss.item():.4f}")

print("---")
print(f"val_loss: {evaluate(model, 'val'):.4f}")
print(f"seconds: {time.perf_counter() - started:.1f}")
