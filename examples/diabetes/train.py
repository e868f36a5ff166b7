# Predicts how diabetes progresses within a year from ten measurements (scikit-learn's diabetes data).
# All settings are here; change and run:  SEED=3 python train.py

import os

import torch
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

LR = 1e-3
BATCH_SIZE = 32
HIDDEN = 32
LAYERS = 2
DROPOUT = 0.0
WEIGHT_DECAY = 0.0
STEPS = 600
EVAL_EVERY = 100
SEED = int(os.environ.get("SEED", 0))

torch.manual_seed(SEED)
torch.set_num_threads(1)

X, y = load_diabetes(return_X_y=True)
X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
split = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
train, val = split[:300], split[300:]
mean, std = y[train].mean(), y[train].std()

layers = []
width = X.shape[1]
for _ in range(LAYERS):
    layers += [torch.nn.Linear(width, HIDDEN), torch.nn.GELU(), torch.nn.Dropout(DROPOUT)]
    width = HIDDEN
model = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)


def rmse(rows):
    model.eval()
    with torch.no_grad():
        guess = model(X[rows]).squeeze(1) * std + mean
    model.train()
    return (guess - y[rows]).pow(2).mean().sqrt().item()


for step in range(1, STEPS + 1):
    batch = train[torch.randint(len(train), (BATCH_SIZE,))]
    loss = (model(X[batch]).squeeze(1) - (y[batch] - mean) / std).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % EVAL_EVERY == 0:
        print(f"step {step} loss {loss.item():.4f} train_rmse {rmse(train):.3f}")

print(f"val_rmse = {rmse(val):.4f}")
