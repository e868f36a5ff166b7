import os
import pathlib
import sys

for place in sys.argv[2:]:
    try:
        print("READ", pathlib.Path(place).read_text())
    except OSError as error:
        print(type(error).__name__)
print(sorted(os.environ))
print(pathlib.Path("/proc/self/environ").read_bytes().replace(b"\0", b"\n").decode())
print("HOME", [path.name for path in pathlib.Path(os.environ["HOME"]).iterdir()])
