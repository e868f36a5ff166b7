import signal
import sys
import time


def finish(*_):
    print("val_loss: 1.5")
    sys.exit(0)


signal.signal(signal.SIGTERM, finish)
print("step 1 loss 2.0")
while True:
    time.sleep(0.01)
