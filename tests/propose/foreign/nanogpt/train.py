import math

import torch
from model import GPT, GPTConfig

n_layer = 2
n_head = 2
n_embd = 16
dropout = 0.0
bias = False
block_size = 16
batch_size = 4
learning_rate = 6e-4
max_iters = 1
weight_decay = 1e-1
beta1 = 0.9
beta2 = 0.999
grad_clip = 1.0
decay_lr = True
warmup_iters = 0
lr_decay_iters = 10
min_lr = 6e-5
device = "cpu"

torch.manual_seed(1337)


def get_batch(split):
    x = torch.randint(32, (batch_size, block_size + 1))
    return x[:, :-1].contiguous(), x[:, 1:].contiguous()


model = GPT(GPTConfig(block_size, 32, n_layer, n_head, n_embd, dropout, bias))
optimizer = model.configure_optimizers(weight_decay, learning_rate, (beta1, beta2), device)


def get_lr(it):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


X, Y = get_batch("train")
iter_num = 0
while True:
    lr = get_lr(iter_num) if decay_lr else learning_rate
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr
    logits, loss = model(X, Y)
    X, Y = get_batch("train")
    loss.backward()
    if grad_clip != 0.0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    print(f"iter {iter_num}: loss {loss.item():.4f}")
    iter_num += 1
    if iter_num >= max_iters:
        break
print(f"val_loss: {loss.item():.4f}")
