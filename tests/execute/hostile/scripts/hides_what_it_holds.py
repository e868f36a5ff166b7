"""Holds 120 MB on disk, or 320 in memory, that no walk over folders finds: unlinked files, memfds, or /dev/shm."""

import os
import sys
import time

out, how = sys.argv[1:]
held = []
for number in range(6 if how == "unlinked" else 8):
    if how == "memfd":
        place = os.memfd_create("x")
    elif how == "shm":
        place = os.open(f"/dev/shm/held-{number}", os.O_RDWR | os.O_CREAT)
    else:
        place = os.open(f"{out}/f{number}", os.O_RDWR | os.O_CREAT)
        os.unlink(f"{out}/f{number}")
    for _ in range(20 if how == "unlinked" else 40):
        os.write(place, os.urandom(1 << 20))
    held.append(place)
print("held", flush=True)
time.sleep(20)
