import os
import time

if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
print("val_loss: 1.0", flush=True)
