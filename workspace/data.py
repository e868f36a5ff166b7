"""The text, as bytes: the Python standard library's own source, so that it is there on every machine, offline.

    python data.py [--data DIR]              what the splits hold, and their hashes
    python data.py [--data DIR] --masked     the paths that training must not read, one a line, and one hash of all

AUTOGIT_READABLE, if it is set, holds the folders that training can read, one a line; AUTOGIT_HELD_OUT what --masked
printed before, so that nobody searches twice.

Four splits, no file in two of them. `train` and `monitor` are split by file. `validation` and `audit` are whole library
packages that neither training nor PyTorch imports, so that a sandbox can hide them, bytecode and all, from a run.
With --data the same is made of the text files of any folder, split by file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

VALIDATION = ("idlelib", "wsgiref", "curses", "venv")
AUDIT = ("tkinter", "xmlrpc", "turtledemo", "sqlite3", "dbm", "ensurepip")
SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "pydoc_data", "__pycache__"}
"""Not of the library, not everywhere installed, or tables instead of text."""
ARCHIVE = re.compile(r"(?i)python-?\d.*\.(?:zip|conda|tar\.\w+|tgz|tbz2|txz|deb|rpm)$")
"""A whole Python in one file, as package managers keep them."""
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
    """Returns what a sandbox hides from training: validation and audit, wherever training could read them.

    For the library's text these are the packages in every Python that lies in a readable folder, whatever its version,
    copies of them elsewhere, and archives of a whole Python.
    """
    if folder:
        splits = files(folder)
        return splits["validation"] + splits["audit"]
    known = os.environ.get("AUTOGIT_HELD_OUT")
    if known is not None:
        return [Path(line) for line in known.splitlines() if line]
    found: set[Path] = set()
    for root in _readable():
        found.update(_copies(root))
    return sorted(found)


def _readable() -> list[Path]:
    """Returns the folders to search, none of them in another."""
    named = os.environ.get("AUTOGIT_READABLE", "").splitlines()
    if not named:
        # By hand, without a sandbox: the system's, this interpreter's, and what pyenv, conda and uv keep beside it.
        prefixes = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)]
        beside = [prefix.parent for prefix in prefixes if prefix.parent.name in ("versions", "envs", "python", "pkgs")]
        named = ["/usr", "/opt", *map(str, prefixes + beside)]
    folders = {place for name in named if (place := Path(name).resolve()).is_dir()}
    return sorted(place for place in folders if not any(parent in folders for parent in place.parents))


def _copies(root: Path) -> Iterator[Path]:
    """Yields held-out packages below `root`, whichever version they are of."""
    library = Path(sysconfig.get_path("stdlib"))
    modules = {name: _modules(library / name) for name in VALIDATION + AUDIT}
    for parent, folders, names in os.walk(root):
        standard = not {"os.py", "os.pyc"}.isdisjoint(names)
        for name in [folder for folder in folders if folder in modules]:
            place = Path(parent, name)
            shared = modules[name] & _modules(place)
            if standard or (len(shared) > 1 and 2 * len(shared) >= len(modules[name])):
                folders.remove(name)
                yield place
        for name in names:
            if ARCHIVE.match(name) and os.path.join(parent, name) not in sys.path:  # noqa: PTH118
                yield Path(parent, name)


def _modules(package: Path) -> set[str]:
    """Returns the names of a package's modules, of its bytecode if that is all there is."""
    found = set()
    for folder in (package, package / "__pycache__"):
        if folder.is_dir() and os.access(folder, os.R_OK):
            found.update(path.name.partition(".")[0] for path in folder.iterdir() if path.suffix in (".py", ".pyc"))
    return found


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
