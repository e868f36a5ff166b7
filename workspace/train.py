"""Trains the GPT of model.py on bytes.

    python train.py --seed 1 --steps 200 --out out

Prints `step N loss X monitor Y` lines and a closing block of `key: value` lines, and leaves a checkpoint in --out,
which evaluate.py measures. One process, one device: a GPU where there is one, with a model that is worth it.
"""

import argparse
import math
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F

import checkpoint
import data
from model import GPT, GPTConfig, initialize, name_seed
from monitor import Monitor

# Model
n_layer = 2
n_head = 4
n_embd = 64  # width, a multiple of n_head
block_size = 64  # context in bytes
dropout = 0.0  # a run sees no byte twice

# Optimisation
batch_size = 8  # sequences in a step
learning_rate = 1e-3  # constant after the warmup
warmup_steps = 10  # linear, from nothing
weight_decay = 0.01
beta1 = 0.9
beta2 = 0.999

# A GPU is wasted on the model above: there it is this many times wider, with as much more context and text a step.
gpu_scale = 8
compile_on_gpu = False  # pays off in runs of several minutes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--steps", type=int, default=200, help="the budget: optimizer steps")
parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the checkpoint")
parser.add_argument("--data", default="", metavar="DIR", help="train on the files of this folder instead")
options = parser.parse_args()

device = "cuda" if torch.cuda.is_available() else "cpu"
scale = gpu_scale if device == "cuda" else 1
torch.manual_seed(options.seed)  # for dropout; all else has a generator of its own

model = GPT(
    GPTConfig(
        block_size=block_size * scale,
        vocab_size=256,
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd * scale,
        dropout=dropout,
    )
)
initialize(model, options.seed)
model.to(device)
num_params = sum(parameter.numel() for parameter in model.parameters())

optimizer = torch.optim.AdamW(
    model.parameters(), lr=learning_rate, betas=(beta1, beta2), eps=1e-8, weight_decay=weight_decay
)


def learning_rate_at(step):
    return learning_rate * min(1.0, (step + 1) / max(1, warmup_steps))


text = torch.from_numpy(data.load("train", options.data).copy()).to(device)
monitor = Monitor(data.load("monitor", options.data), model.config.block_size, device)
order = torch.Generator().manual_seed(name_seed(options.seed, "data order"))
window = torch.arange(model.config.block_size + 1, device=device)


def next_batch():
    starts = torch.randint(len(text) - len(window) + 1, (batch_size * scale, 1), generator=order)
    tokens = text[starts.to(device) + window].long()
    return tokens[:, :-1], tokens[:, 1:]


network = torch.compile(model) if device == "cuda" and compile_on_gpu else model
precision = torch.autocast(device_type=device, dtype=torch.bfloat16, enabled=device == "cuda")
report_every = max(1, options.steps // 25)

stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))  # time is up: save what there is and end well

model.train()
start = time.perf_counter()
for step in range(options.steps):
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step)
    inputs, targets = next_batch()
    with precision:
        logits = network(inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()

    done = step + 1
    if done % report_every == 0 or done == options.steps or stopping:
        with precision:
            monitored = monitor.loss(model)
        print(f"step {done} loss {loss.item():.4f} monitor {monitored:.4f}", flush=True)
        if not math.isfinite(loss.item()) or not math.isfinite(monitored):
            sys.exit(f"unstable: the loss is {loss.item()} at step {done}")
    if stopping:
        break
seconds = time.perf_counter() - start

options.out.mkdir(parents=True, exist_ok=True)
facts = {"model": asdict(model.config), "seed": options.seed, "steps": done}
checkpoint.save(options.out / checkpoint.FILENAME, model.state_dict(), facts)

print("---")
print(f"monitor_loss: {monitored:.6f}")
print(f"training_seconds: {seconds:.2f}")
print(f"throughput_tokens_per_sec: {done * batch_size * scale * model.config.block_size / seconds:.0f}")
print(f"num_params: {num_params}")
print(f"num_steps: {done}")
print(f"device: {device}")
if device == "cuda":
    print(f"peak_gpu_memory_mb: {torch.cuda.max_memory_allocated() / 2**20:.0f}")
