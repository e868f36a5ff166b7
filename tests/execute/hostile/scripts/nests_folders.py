"""Makes 3,000 folders, each in the last, in its output, its checkout and /tmp, and writes 100 MB into the deepest."""

import os
import sys

out, size = sys.argv[1], int(sys.argv[2])
for place in (out, ".", os.environ["TMPDIR"]):
    here = os.getcwd()
    os.chdir(place)
    for _ in range(3000):
        os.mkdir("dd")
        os.chdir("dd")
    with open("file", "wb") as file:
        for _ in range(size):
            file.write(os.urandom(1 << 20))
    os.chdir("/")
    os.chdir(here)
print("nested", flush=True)
if size:
    import time

    time.sleep(20)
