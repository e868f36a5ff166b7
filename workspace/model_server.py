"""Runs a trial's model for the evaluator, as a process that is handed bytes and hands back scores.

Started by evaluate.py as: model_server.py OUT [DATA]. The text that models are scored on cannot be read from here.

A request on standard input is three little-endian int32 (sequences, bytes in each, whether only the last position is
asked for) and the bytes. The answer on standard output is float32 scores, 256 for each position asked for. Before all
answers one byte says whether the process is confined.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np

import checkpoint
import data
from isolation import hide

VOCABULARY = 256
HEADER = struct.Struct("<iii")


def main(out: Path, folder: str) -> None:
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the model prints, it does not get between the answers
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    answers.write(bytes([hide(data.masked(folder), silence=True)]))
    answers.flush()

    import torch

    # Of the trial's code nothing has run yet: until the first question there is nobody here to be told anything.
    if not questions.peek(1):
        return
    from model import GPT, GPTConfig

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors, facts = checkpoint.load(out / checkpoint.FILENAME)
    model = GPT(GPTConfig(**facts["model"]))
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    model.to(device).eval()

    while header := questions.read(HEADER.size):
        count, length, last = HEADER.unpack(header)
        tokens = np.frombuffer(questions.read(count * length), dtype=np.uint8).reshape(count, length)
        with torch.inference_mode():
            scores = model(torch.from_numpy(tokens.astype(np.int64)).to(device))
        if tuple(scores.shape) != (count, length, VOCABULARY):
            raise ValueError(f"scores of shape {tuple(scores.shape)} for {count} times {length} bytes")
        scores = scores[:, -1:] if last else scores
        answers.write(scores.float().cpu().contiguous().numpy().astype("<f4").tobytes())
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
