import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (0, 1, 2):
            os.close(number)
        time.sleep(1000)
    os._exit(0)
os.wait()
print("val_loss: 1.0")
