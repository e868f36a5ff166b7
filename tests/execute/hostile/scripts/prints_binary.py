import os

os.write(1, bytes(range(256)) * 64 + b"\n\xff\xfe\xc3\x28\n\x00\x00\n")
os.write(1, b"val_loss: 1.25\n")
