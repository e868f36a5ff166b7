"""The learning curve: a plain cross-entropy on a little text that is held out of training.

It is the same for every trial, whatever a trial makes of its own loss, so that curves can be compared while they grow.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

TOKENS = 2048


class Monitor:
    """Measures a model on windows that lie evenly over the monitor split."""

    def __init__(self, text: np.ndarray, block_size: int, device: str) -> None:
        starts = np.linspace(0, len(text) - block_size - 1, max(1, TOKENS // block_size)).astype(np.int64)
        windows = torch.from_numpy(text[starts[:, None] + np.arange(block_size + 1)]).long().to(device)
        self.inputs, self.targets = windows[:, :-1], windows[:, 1:]

    @torch.no_grad()
    def loss(self, model: torch.nn.Module) -> float:
        """Nats per byte, in evaluation mode; the model is back in training mode afterwards."""
        model.eval()
        logits = model(self.inputs)
        model.train()
        return F.cross_entropy(logits.flatten(0, 1).float(), self.targets.flatten()).item()
