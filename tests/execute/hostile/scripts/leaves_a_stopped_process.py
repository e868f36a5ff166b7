import os
import signal
import time

child = os.fork()
if child == 0:
    os.setsid()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1000)
os.waitpid(child, os.WUNTRACED)
print("val_loss: 1.0")
