"""python -m charlm.train --config configs/base.yaml"""

import argparse
import json
import math

import torch
import torch.nn.functional as F
import yaml

from .data import load
from .model import CharMLP


def batch(ids, size, window, generator=None):
    ends = torch.randint(window, len(ids), (size,), generator=generator)
    return ids[ends[:, None] + torch.arange(-window, 0)], ids[ends]


@torch.no_grad()
def evaluate(model, ids, window):
    model.eval()
    x, y = batch(ids, 8192, window, torch.Generator().manual_seed(0))
    loss = F.cross_entropy(model(x), y).item()
    model.train()
    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with open(args.config) as file:
        config = yaml.safe_load(file)

    torch.manual_seed(args.seed)
    train, val, vocabulary = load()
    window = config["model"]["window"]
    model = CharMLP(vocabulary, **config["model"])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=float(config["optimizer"]["lr"]), weight_decay=config["optimizer"]["weight_decay"]
    )
    for step in range(1, config["training"]["steps"] + 1):
        x, y = batch(train, config["training"]["batch_size"], window)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(json.dumps({"step": step, "train_loss": loss.item()}))

    val_loss = evaluate(model, val, window)
    print(json.dumps({"val_loss": val_loss, "val_bpc": val_loss / math.log(2)}))


if __name__ == "__main__":
    main()
