"""Leaves a word where the next run would find it, and says whether one is there: keyring, System V memory, /dev/shm."""

import ctypes
import os
import pathlib

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
add_key, keyctl = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
word = b"left by a run"
print(
    "key", libc.syscall(add_key, b"user", b"autogit-hostile", word, ctypes.c_size_t(len(word)), ctypes.c_long(-3)) > 0
)
print("search", libc.syscall(keyctl, 10, ctypes.c_long(-3), b"user", b"autogit-hostile", 0) > 0)
found = libc.shmget(0x5ED5ED, 4096, 0o600)
print("segment", found >= 0)
if found < 0:
    libc.shmget(0x5ED5ED, 4096, 0o1600)
shared = pathlib.Path("/dev/shm/autogit-hostile-word")
print("shared", shared.exists())
try:
    shared.write_text("left")
except OSError:
    pass
