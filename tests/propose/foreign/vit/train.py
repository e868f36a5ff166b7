import torch
import torch.nn.functional as F
from torch.optim import AdamW
from vit import ViT

BATCH_SIZE = 4
EPOCHS = 1
LR = 3e-4
SEED = 42


def main():
    torch.manual_seed(SEED)
    model = ViT()
    optimizer = AdamW(model.parameters(), lr=LR)
    for epoch in range(EPOCHS):
        images, labels = torch.randn(BATCH_SIZE, 4, 48), torch.randint(10, (BATCH_SIZE,))
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {epoch} loss {loss.item():.4f}")
    print(f"val_loss: {loss.item():.4f}")


if __name__ == "__main__":
    main()
