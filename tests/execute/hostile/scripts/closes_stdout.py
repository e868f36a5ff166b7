import os
import time

print("val_loss: 1.25", flush=True)
os.close(1)
os.close(2)
time.sleep(0.5)
