import os

for _ in range(2000):
    os.write(1, b"x" * 65536)
print("\nval_loss: 1.25")
