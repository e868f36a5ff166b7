"""The text, as bytes: the Python standard library's own source, so that it is there on every machine, offline.

    python data.py [--data DIR]              what the splits hold, and their hashes
    python data.py [--data DIR] --masked     the paths that training must not read, one a line, and one hash of all

Four splits, no file in two of them. `train` and `monitor` are split by file. `validation` and `audit` are whole library
packages that neither training nor PyTorch imports, so that a sandbox can hide them, bytecode and all, from a run.
With --data the same is made of the text files of any folder, split by file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

VALIDATION = ("idlelib", "wsgiref", "curses", "venv")
AUDIT = ("tkinter", "xmlrpc", "turtledemo", "sqlite3", "dbm", "ensurepip")
SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "pydoc_data", "__pycache__"}
"""Not of the library, not everywhere installed, or tables instead of text."""
SPLITS = ("train", "monitor", "validation", "audit")
LARGEST = 8 << 20
"""Bytes of one split, at most."""


def load(split: str, folder: str = "") -> np.ndarray:
    """The bytes of a split as uint8, its files joined in the order of their names. Raises OSError, ValueError."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are {', '.join(SPLITS)}")
    read, text = 0, []
    for path in files(folder)[split]:
        content = path.read_bytes()
        if read + len(content) > LARGEST:
            break
        text.append(content)
        read += len(content)
    if not text:
        raise ValueError(f"the {split} split of {folder or 'the standard library'} is empty")
    return np.frombuffer(b"\n".join(text), dtype=np.uint8)


def digest(*texts: np.ndarray) -> str:
    """Names a text: numbers that were measured on two different ones cannot be compared."""
    return hashlib.sha256(b"\0".join(text.tobytes() for text in texts)).hexdigest()[:12]


def files(folder: str = "") -> dict[str, list[Path]]:
    """The files of each split, sorted. A hidden package has none."""
    splits: dict[str, list[Path]] = {split: [] for split in SPLITS}
    root = Path(folder).resolve() if folder else Path(sysconfig.get_path("stdlib"))
    split_of = _split_by_file if folder else _split_by_package
    for name in sorted(_names(root, "" if folder else ".py")):
        splits[split_of(name)].append(root / name)
    return splits


def masked(folder: str = "") -> list[Path]:
    """What a sandbox hides from training: validation and audit, in every Python installation that it could read."""
    if folder:
        splits = files(folder)
        return splits["validation"] + splits["audit"]
    libraries = {Path(sysconfig.get_path("stdlib"))}
    for prefix in (sys.base_prefix, "/usr", "/usr/local"):
        libraries.update(Path(prefix).glob("lib*/python3*"))
    packages = (library / name for library in sorted(libraries) for name in VALIDATION + AUDIT)
    return [package for package in packages if package.is_dir()]


def _names(root: Path, suffix: str) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if folder not in SKIPPED and not folder.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.endswith(suffix) and path.is_file():
                yield path.relative_to(root)


def _split_by_package(name: Path) -> str:
    if name.parts[0] in VALIDATION:
        return "validation"
    if name.parts[0] in AUDIT:
        return "audit"
    return "monitor" if _draw(name) < 4 else "train"


def _split_by_file(name: Path) -> str:
    draw = _draw(name)
    return "monitor" if draw < 4 else "validation" if draw < 12 else "audit" if draw < 20 else "train"


def _draw(name: Path) -> int:
    """A number below 100 that depends on the file's name alone."""
    return int(hashlib.sha256(name.as_posix().encode()).hexdigest(), 16) % 100


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="", metavar="DIR", help="a folder of text files instead of the library")
    parser.add_argument("--masked", action="store_true", help="print the paths that training must not read")
    options = parser.parse_args()
    if options.masked:
        print(*masked(options.data), sep="\n")
        print(f"data_hash: {digest(*(load(split, options.data) for split in SPLITS))}")
    else:
        for split in SPLITS:
            text = load(split, options.data)
            print(f"{split}: {len(text):,} bytes of {len(files(options.data)[split])} files, hash {digest(text)}")
