from contextlib import nullcontext

import torch
from model import ModelArgs, Transformer

batch_size = 4
max_seq_len = 16
learning_rate = 5e-4
max_iters = 1
weight_decay = 1e-1
beta1 = 0.9
beta2 = 0.95
grad_clip = 1.0
torch.manual_seed(1337)

model = Transformer(ModelArgs(max_seq_len=max_seq_len))
decay = [p for p in model.parameters() if p.dim() >= 2]
nodecay = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": weight_decay}, {"params": nodecay, "weight_decay": 0.0}],
    lr=learning_rate,
    betas=(beta1, beta2),
)
scaler = torch.amp.GradScaler("cpu", enabled=False)
ctx = nullcontext()
for iter_num in range(max_iters):
    tokens = torch.randint(32, (batch_size, max_seq_len + 1))
    X, Y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    with ctx:
        logits = model(X, Y)
        loss = model.last_loss
    scaler.scale(loss).backward()
    if grad_clip != 0.0:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    print(f"{iter_num} | loss {loss.item():.4f}")
print(f"val_loss: {loss.item():.4f}")
