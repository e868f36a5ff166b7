"""How often does a model get through that looks at the bytes it has to predict?

    python workspace/train.py --seed 1 --steps 200 --out /tmp/checkpoint     # in an untouched workspace
    python benchmarks/peeking.py /tmp/checkpoint

Takes the real losses of a real checkpoint, makes of them what each peeker would answer, and lets the shipped evaluator
draw its probes 200 times. A peeker is a place to look and what it does there; each is turned down, by looking at fewer
of its places at random, until it gains what the column says on the mean. None of the evaluator's constants was chosen
on them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

WORKSPACE = Path(__file__).parents[1] / "workspace"
DRAWS = 200
GAINS = (0.0005, 0.002, 0.01, 0.05)
"""Nats per byte, of a baseline near 2.6."""

Peek = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""(honest losses, losses by frequency, targets, dice) -> losses after peeking wherever it wants to."""


def peekers() -> dict[str, Peek]:
    """Returns the family: where it looks, and how far it goes."""
    return {
        "anywhere, all of the loss": lambda loss, plain, text, dice: np.full_like(loss, 0.01),
        "anywhere, half of the loss": lambda loss, plain, text, dice: loss / 2,
        "worse than by frequency, down to frequency": lambda loss, plain, text, dice: np.minimum(loss, plain),
        "a nat worse than by frequency, down to that": lambda loss, plain, text, dice: np.minimum(loss, plain + 1),
        "above 4 nats, down to 4": lambda loss, plain, text, dice: np.minimum(loss, 4.0),
        "above 6 nats, down to 4": lambda loss, plain, text, dice: np.where(loss > 6, 4.0, loss),
        "above 7 nats, down to 0.5": lambda loss, plain, text, dice: np.where(loss > 7, 0.5, loss),
        "last place of each piece": lambda loss, plain, text, dice: _at(loss, text.shape[1] - 1),
        "first place of each piece": lambda loss, plain, text, dice: _at(loss, 0),
        "capital letters": lambda loss, plain, text, dice: np.where((text >= 65) & (text <= 90), loss / 4, loss),
        "rare bytes, down to frequency less 2": lambda loss, plain, text, dice: np.where(
            plain > 6, np.minimum(loss, plain - 2), loss
        ),
        "everywhere, a thousandth less": lambda loss, plain, text, dice: np.maximum(loss - 0.001, 0),
        "one in ten, 0.0019 less (below the tolerance)": lambda loss, plain, text, dice: np.where(
            dice.random(loss.shape) < 0.1, np.maximum(loss - 0.0019, 0), loss
        ),
    }


def _at(loss: np.ndarray, place: int) -> np.ndarray:
    peeked = loss.copy()
    peeked[:, place] = 0.1
    return peeked


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="folder of a checkpoint of the shipped code")
    folder = parser.parse_args().checkpoint
    sys.path.insert(0, str(WORKSPACE))
    import data
    import evaluate

    _, context = evaluate.opened(folder, None)
    text = evaluate.windows(data.load("validation"), context)
    inputs, targets = text[:, :-1], text[:, 1:]
    with evaluate.Model(folder, "") as model:
        model.confined()
        batches = [inputs[i : i + evaluate.BATCH] for i in range(0, len(inputs), evaluate.BATCH)]
        predicted = np.concatenate([_ask(model, batch) for batch in batches])
    loss = -np.take_along_axis(predicted, targets[..., None].astype(int), axis=-1)[..., 0].astype(np.float64)
    counts = np.bincount(data.load("train"), minlength=256) + 1.0
    plain = -np.log(counts / counts.sum())[targets]
    dice = np.random.default_rng(20)
    print(f"honest: {loss.mean():.4f} nats per byte; passed of {DRAWS} evaluations, at a gain of")
    print(f"{'':48}" + "".join(f"{gain:>11}" for gain in GAINS) + "   most")
    for name, peek in peekers().items():
        wanted = peek(loss, plain, targets, dice)
        most = float((loss - wanted).mean())
        row = ""
        for gain in GAINS:
            share = gain / most
            row += f"{'':>11}" if share > 1 else f"{_passed(evaluate, loss, wanted, targets, share, dice):>11.2%}"
        print(f"{name:48}{row}   {most:.4f}", flush=True)


def _ask(model: object, batch: np.ndarray) -> np.ndarray:
    model.send(batch)  # type: ignore[attr-defined]
    return model.receive(*batch.shape)  # type: ignore[attr-defined, no-any-return]


def _passed(
    evaluate: object, loss: np.ndarray, wanted: np.ndarray, targets: np.ndarray, share: float, dice: np.random.Generator
) -> float:
    """The share of evaluations in which neither one answer nor the mean of all gives the peeker away."""
    passed = 0
    for _ in range(DRAWS):
        peeked = np.where(dice.random(loss.shape) < share, wanted, loss)
        rows, places = evaluate.probes(peeked, targets, dice)  # type: ignore[attr-defined]
        excess = loss[rows, places] - peeked[rows, places]
        single = np.abs(excess) > evaluate.TOLERANCE + 1e-4 * loss[rows, places]  # type: ignore[attr-defined]
        passed += not (single.any() or evaluate.too_much(excess))  # type: ignore[attr-defined]
    return passed / DRAWS


if __name__ == "__main__":
    main()
