"""Puts what must not be opened where autogit looks: FIFOs, links to devices, setuid files."""

import os
import sys

out, protected = sys.argv[1:]
os.mkfifo(".git")
os.mkfifo(f"{out}/fifo")
os.symlink("/dev/zero", f"{out}/device")
try:
    os.unlink(protected)
    os.mkfifo(protected)
except OSError as error:
    print("protected", error.strerror)
for name, flags in (("by-mode", 0o4755), ("by-chmod", 0o755)):
    os.close(os.open(f"{out}/{name}", os.O_CREAT | os.O_WRONLY, flags))
try:
    os.chmod(f"{out}/by-chmod", 0o6755)
except OSError:
    pass
