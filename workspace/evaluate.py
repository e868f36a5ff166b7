"""Measures a checkpoint: the only source of val_loss.

    python evaluate.py --out out [--seed 1]     on the validation split
    python evaluate.py --out out --audit        on the audit split, which is never used for choosing

The model is code that somebody proposed, so it is not trusted. It runs in processes of its own that get bytes and
return scores; this one never imports it, turns scores into probabilities itself, and prints `refused: REASON` instead
of numbers where the answers are not those of a language model: a sample of positions is asked for again in a second
process that is sent nothing but what comes before them.
"""

from __future__ import annotations

import argparse
import contextlib
import lzma
import math
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

import checkpoint
import data
from isolation import end_orphans, guard
from model_server import HEADER, VOCABULARY

SCORED_BYTES = 49152
"""How much of the split is read, in pieces that lie evenly over it."""
PIECE = 4096
BATCH = 64
PROBES, LEAST_PROBES = 2048, 64
"""Positions that are asked for again in a process that cannot know what follows: the fewer, the longer the context."""
PROBED_BYTES = 131072
"""About how many bytes may be sent for that, so that it takes no longer than the scoring itself."""
UNIFORM_SHARE = 0.5
"""Of the probes, those that are drawn uniformly; the others go to where a prediction is worth most."""
TOLERANCE = 2e-3
"""Nats that two answers on the same question may differ by: rounding, with some room."""
MEAN_TOLERANCE = 1e-4
"""Nats by which the probed positions may be better predicted, on the mean, by who was shown what follows them."""
ERRORS = 4.0
"""Standard errors that such a mean has to be above it: rounding goes both ways, peeking one."""
LEAST_LOSS = 0.4
"""Nats per byte. Below it the model knows the text: the best compressors need more."""
LONGEST_CONTEXT = 8192
CODE = ("train.py", "model.py")
LARGEST_CODE = 12 << 10
"""Bytes that the trial's code may take when it is compressed, nearly four times what is shipped. Neither trained
weights nor the text that is scored fit in; code that is written by hand does."""
FUTURE = "a prediction changes with the bytes that come after it: the model sees the future"


class Refused(Exception):
    """The model's answers cannot be scored."""


class Model:
    """One process that runs the trial's model. It starts at once; asking waits for it."""

    def __init__(self, out: Path, folder: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("model_server.py"), out, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Two of these share the cores: threads that spin while they wait would take them from the other.
            # Nothing is compiled, since a model that is scored has no place to write to. NumPy's own threads would
            # be there before the process is confined.
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TORCHDYNAMO_DISABLE": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._errors.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ends the process, whatever it does. What it started may still hold its pipes: nobody waits for their end."""
        self._process.kill()
        self._process.wait()
        _pipe(self._process.stdout).close()
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()

    def confined(self) -> bool:
        """Whether the system keeps the process from reading the text and from passing it on. To be asked first."""
        return self._read(1) == b"\1"

    def send(self, tokens: np.ndarray, last: bool = False) -> None:
        """Asks for the scores after each byte of tokens (n, t), or after the last ones only."""
        try:
            _pipe(self._process.stdin).write(HEADER.pack(*tokens.shape, last) + tokens.tobytes())
            _pipe(self._process.stdin).flush()
        except BrokenPipeError:
            raise self._failure() from None

    def receive(self, count: int, length: int) -> np.ndarray:
        """Log-probabilities (count, length, 256) in nats, made from the next answer's scores. Raises Refused."""
        size = 4 * count * length * VOCABULARY
        scores = np.frombuffer(self._read(size), dtype="<f4").reshape(count, length, VOCABULARY)
        scores = scores - scores.max(axis=-1, keepdims=True)
        if not np.isfinite(scores).all():
            raise Refused("the model's scores are not finite")
        return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True, dtype=np.float64)).astype(np.float32)

    def _read(self, size: int) -> bytes:
        content = _pipe(self._process.stdout).read(size)
        if len(content) < size:
            raise self._failure()
        return content

    def _failure(self) -> Refused:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), f"exit status {self._process.returncode}")
        return Refused("the model fails outside of training: " + "".join(c for c in last if c.isprintable())[:200])


def windows(text: np.ndarray, context: int) -> np.ndarray:
    """Pieces of the split as (n, context + 1): what is asked, and one byte more. No byte is in two of them."""
    pieces = max(1, SCORED_BYTES // PIECE)
    starts = np.linspace(0, max(0, len(text) - PIECE), pieces).astype(int)
    chosen = text if len(text) <= SCORED_BYTES else np.concatenate([text[s : s + PIECE] for s in starts])
    count = len(chosen) // (context + 1)
    if count == 0:
        raise Refused(f"a context of {context} bytes is more than the text that is scored")
    return chosen[: count * (context + 1)].reshape(count, context + 1)


def score(model: Model, fresh: Model, text: np.ndarray) -> float:
    """Mean loss in nats per byte over text (n, t + 1). Raises Refused. Afterwards `model` is gone.

    `fresh` is asked nothing before `model` and all that it started are dead, which saw every byte but the last labels.
    """
    inputs, targets = text[:, :-1], text[:, 1:]
    predicted = np.concatenate([_ask(model, inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)])
    losses = -np.take_along_axis(predicted, targets[..., None].astype(int), axis=-1)[..., 0]
    rows, places = probes(losses, targets, np.random.default_rng(secrets.randbits(64)))
    again = np.append(rows[:BATCH], rows[:1])  # other neighbours, another order, some of them twice
    if _differ(_ask(model, inputs[again]), predicted[again]):
        raise Refused("a prediction changes with the order or the size of the batch: the model remembers")
    model.stop()
    end_orphans(but=fresh.pid)
    excess = []
    for place in np.unique(places):  # ascending: nothing is asked for after more of the same piece has been shown
        asked = rows[places == place]
        fresh.send(inputs[asked, : place + 1], last=True)
        blind = fresh.receive(len(asked), 1)[:, 0]
        if _differ(blind, predicted[asked, place]):
            raise Refused(FUTURE)
        excess.append(-blind[np.arange(len(asked)), targets[asked, place]] - losses[asked, place])
    if too_much(np.concatenate(excess)):
        raise Refused(FUTURE)
    loss = float(losses.mean(dtype=np.float64))
    if loss < LEAST_LOSS:
        raise Refused(f"a loss of {loss:.4f} is below what is plausible ({LEAST_LOSS}): the model knows the text")
    return loss


def probes(losses: np.ndarray, targets: np.ndarray, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns (rows, places) that are asked for again.

    One part is drawn uniformly: a model that peeks where it does worst, and then does no better than usual, leaves no
    trace in its losses. The other is drawn by how much better each position was predicted than by frequency alone,
    which finds a model that peeks seldom and gains much. A model that knew the places could behave just there.
    """
    count = min(max(LEAST_PROBES, min(PROBES, 2 * PROBED_BYTES // losses.shape[1])), losses.size)
    uniform = dice.choice(losses.size, round(count * UNIFORM_SHARE), replace=False)
    frequency = np.bincount(targets.ravel(), minlength=VOCABULARY) / targets.size
    worth = np.maximum(0.0, -np.log(frequency[targets]) - losses).ravel().astype(np.float64)
    worth += 0.1 * worth.mean() + 1e-6
    worth[uniform] = 0.0
    weighted = dice.choice(losses.size, count - len(uniform), replace=False, p=worth / worth.sum())
    rows, places = np.divmod(np.concatenate([uniform, weighted]), targets.shape[1])
    return rows, places


def too_much(excess: np.ndarray) -> bool:
    """Whether predictions get worse, by more than rounding does it, if what follows is not shown.

    `excess`: nats by which each probed position is. A model may peek a little everywhere, below what one answer shows.
    """
    error = excess.std() / math.sqrt(excess.size)
    return bool(excess.mean() > MEAN_TOLERANCE + ERRORS * error)


def opened(out: Path, seed: int | None) -> tuple[dict[str, np.ndarray], int]:
    """The checkpoint's tensors and the context of its model. Raises Refused where it is not this code's and seed's."""
    tensors, facts = checkpoint.load(out / checkpoint.FILENAME)
    if (size := code_size()) > LARGEST_CODE:
        raise Refused(f"the code holds {size} bytes when compressed, above {LARGEST_CODE}: data, not a program")
    if facts.get("code") != checkpoint.code_hash():
        raise Refused("the checkpoint was made by other code than this")
    if seed is not None and facts.get("seed") != seed:
        raise Refused(f"the checkpoint is of seed {facts.get('seed')}, not of {seed}")
    context = facts.get("model", {}).get("block_size")
    if not isinstance(context, int) or not 1 <= context <= LONGEST_CONTEXT:
        raise Refused(f"a context of {context!r} bytes; possible are 1 to {LONGEST_CONTEXT}")
    return tensors, context


def code_size() -> int:
    """Bytes of the trial's own files, compressed: about what they know."""
    return len(lzma.compress(b"".join(Path(__file__).with_name(name).read_bytes() for name in CODE)))


def _ask(model: Model, tokens: np.ndarray) -> np.ndarray:
    model.send(tokens)
    return model.receive(*tokens.shape)


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((np.abs(a - b) > TOLERANCE + 1e-4 * np.abs(b)).any())


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, help="the seed that training was given")
    parser.add_argument("--audit", action="store_true", help="score on the audit split")
    parser.add_argument("--data", default="", metavar="DIR", help="as in training")
    options = parser.parse_args()
    guard()
    try:
        with Model(options.out, options.data) as model, Model(options.out, options.data) as fresh:
            tensors, context = opened(options.out, options.seed)
            text = data.load("audit" if options.audit else "validation", options.data)
            confined = model.confined() and fresh.confined()
            loss = score(model, fresh, windows(text, context))
    except (Refused, checkpoint.CheckpointError) as error:
        print(f"refused: {error}")
        sys.exit(1)
    finally:
        end_orphans()
    print(f"val_loss: {loss:.6f}")
    print(f"perplexity: {math.exp(loss):.6f}")
    print(f"bits_per_byte: {loss / math.log(2):.6f}")
    print(f"num_params: {checkpoint.parameters(tensors)}")
    print(f"confined: {int(confined)}")


if __name__ == "__main__":
    main()
