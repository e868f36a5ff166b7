import os
import tempfile

while True:
    handle, _ = tempfile.mkstemp()
    os.write(handle, b"x" * (4 << 20))
    os.close(handle)
