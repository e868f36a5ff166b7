import torch
from model import GPT


class TrainerConfig:
    max_epochs = 1
    batch_size = 4
    learning_rate = 3e-4
    betas = (0.9, 0.95)
    grad_norm_clip = 1.0
    weight_decay = 0.1

    def __init__(self, **kwargs):
        for k, v in kwargs.items():
            setattr(self, k, v)


class Trainer:
    def __init__(self, model, config):
        self.model = model
        self.config = config

    def train(self):
        model, config = self.model, self.config
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=config.betas)

        def run_epoch(split):
            is_train = split == "train"
            model.train(is_train)
            x = torch.randint(32, (config.batch_size, 17))
            with torch.set_grad_enabled(is_train):
                logits, loss = model(x[:, :-1].contiguous(), x[:, 1:].contiguous())
                loss = loss.mean()
            if is_train:
                model.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_norm_clip)
                optimizer.step()
            return loss.item()

        for epoch in range(config.max_epochs):
            print(f"step {epoch} loss {run_epoch('train'):.4f}")
        print(f"val_loss: {run_epoch('test'):.4f}")


if __name__ == "__main__":
    torch.manual_seed(42)
    Trainer(GPT(), TrainerConfig(max_epochs=1)).train()
