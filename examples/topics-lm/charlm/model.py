"""Guesses the next character from a fixed window of them (Bengio et al., 2003)."""

import torch
from torch import nn


class CharMLP(nn.Module):
    def __init__(self, vocabulary, window, embedding, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.layers = nn.Sequential(
            nn.Linear(window * embedding, hidden),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(hidden, vocabulary),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, window) ids -> (batch, vocabulary) logits."""
        return self.layers(self.embedding(x).flatten(1))
