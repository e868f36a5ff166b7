import pathlib

with pathlib.Path("huge").open("wb") as file:
    while True:
        file.write(b"x" * (4 << 20))
