"""Text that every Python brings along: its own help topics."""

import torch
from pydoc_data.topics import topics


def load():
    """(train, val, vocabulary size): character ids, split by topic so that no topic is in both."""
    names = sorted(topics)
    held_out = names[::8]
    text = {
        "train": "\n".join(topics[name] for name in names if name not in held_out),
        "val": "\n".join(topics[name] for name in held_out),
    }
    letters = sorted(set(text["train"]))
    index = {letter: i for i, letter in enumerate(letters)}
    ids = {part: torch.tensor([index.get(c, 0) for c in text[part]]) for part in text}
    return ids["train"], ids["val"], len(letters)
