import os
import signal
import sys
import time

number = getattr(signal, sys.argv[2])
signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
print("step 1 loss 2.0", flush=True)
os.kill(os.getpid(), number)
time.sleep(5)
