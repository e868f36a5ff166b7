"""Tells two spirals apart with a small network, in plain numpy."""

import argparse
from pathlib import Path

import numpy as np

HIDDEN = 16
LEARNING_RATE = 0.1
MOMENTUM = 0.5
WEIGHT_DECAY = 1e-4
BATCH_SIZE = 32
EPOCHS = 40


def spirals(rng, count):
    side = rng.integers(0, 2, count)
    radius = rng.uniform(0.5, 3.0, count)
    angle = 3 * radius + np.pi * side
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points + rng.normal(0, 0.1, points.shape), side


def forward(weights, x):
    hidden = np.tanh(x @ weights[0] + weights[1])
    return hidden, 1 / (1 + np.exp(-(hidden @ weights[2] + weights[3])[:, 0]))


def main(seed, folder):
    data = np.random.default_rng(0)  # always the same points; only the start and the order differ
    (x, y), (x_val, y_val) = spirals(data, 1000), spirals(data, 1000)
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 1, (2, HIDDEN)), np.zeros(HIDDEN), rng.normal(0, HIDDEN**-0.5, (HIDDEN, 1)), np.zeros(1)]
    speed = [np.zeros_like(w) for w in weights]
    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(x))
        for batch in np.split(order, range(BATCH_SIZE, len(x), BATCH_SIZE)):
            hidden, guess = forward(weights, x[batch])
            error = (guess - y[batch])[:, None] / len(batch)
            inner = error @ weights[2].T * (1 - hidden**2)
            slopes = [x[batch].T @ inner, inner.sum(0), hidden.T @ error, error.sum(0)]
            for w, v, slope in zip(weights, speed, slopes):
                v[...] = MOMENTUM * v - LEARNING_RATE * (slope + WEIGHT_DECAY * w)
                w += v
        if epoch % 10 == 0:
            guess = forward(weights, x)[1]
            loss = -np.mean(np.log(np.where(y == 1, guess, 1 - guess) + 1e-9))
            print(f"epoch {epoch} loss {loss:.4f}")
    accuracy = np.mean((forward(weights, x_val)[1] > 0.5) == y_val)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "weights.npz", *weights)
    print(f"accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output-dir", type=Path, default=Path("results"))
    args = parser.parse_args()
    main(args.seed, args.output_dir)
