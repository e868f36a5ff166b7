"""Says where it could write. What it must not reach is named on the command line."""

import pathlib
import sys

for place in sys.argv[2:]:
    for target in (pathlib.Path(place) / "written-by-a-trial", pathlib.Path(place)):
        try:
            target.write_text("owned")
        except OSError:
            continue
        print(f"WROTE {target}")
print("val_loss: 1.0")
