import itertools
import pathlib
import sys

for number in itertools.count():
    (pathlib.Path(sys.argv[1]) / f"junk-{number}").write_bytes(b"x" * (4 << 20))
