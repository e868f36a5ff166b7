"""Samples from a trained model: nothing that training runs."""

import torch.nn.functional as F
import torch.optim
from model import GPT, GPTConfig

if __name__ == "__main__":
    model = GPT(GPTConfig())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, eps=1e-8)
    print(F.gelu(model.lm_head.weight).sum())
