import argparse

import model
import torch
import torch.nn as nn

parser = argparse.ArgumentParser(description="RNN/LSTM language model")
parser.add_argument("--model", type=str, default="LSTM")
parser.add_argument("--emsize", type=int, default=16)
parser.add_argument("--nhid", type=int, default=16)
parser.add_argument("--nlayers", type=int, default=2)
parser.add_argument("--lr", type=float, default=20)
parser.add_argument("--clip", type=float, default=0.25)
parser.add_argument("--bptt", type=int, default=8)
parser.add_argument("--dropout", type=float, default=0.2)
parser.add_argument("--tied", action="store_true")
parser.add_argument("--use-optimizer", action="store_true")
parser.add_argument("--seed", type=int, default=1111)
args = parser.parse_args()
torch.manual_seed(args.seed)

ntokens = 32
net = model.RNNModel(args.model, ntokens, args.emsize, args.nhid, args.nlayers, args.dropout, args.tied)
criterion = nn.NLLLoss()
train_data = torch.randint(ntokens, (40, 4))


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def train(lr):
    net.train()
    hidden = net.init_hidden(4)
    if args.use_optimizer:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1, eps=1e-8)
    for batch in range(2):
        data = train_data[batch * args.bptt : (batch + 1) * args.bptt]
        targets = train_data[batch * args.bptt + 1 : (batch + 1) * args.bptt + 1].reshape(-1)
        net.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = net(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), args.clip)
        if args.use_optimizer:
            optimizer.step()
        else:
            for p in net.parameters():
                p.data.add_(p.grad, alpha=-lr)
        print(f"step {batch} loss {loss.item():.3f}")
    return loss.item()


print(f"val_loss: {train(args.lr):.4f}")
