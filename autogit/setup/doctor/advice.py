"""What helps against what a run died of, as far as its output and the person's folder tell."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from autogit.lab import Lab

_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_FILE = re.compile(r"No such file or directory: b?['\"]([^'\"]+)['\"]|([\w./-]+) not found\b|Unable to open (\S+)")
_SYNTAX = re.compile(r"^(?:\w+: )?SyntaxError: ", re.MULTILINE)
_READ_ONLY = re.compile(r"(?:Read-only file system|Permission denied): b?['\"]([^'\"]+)['\"]")
_NETWORK = re.compile(
    r"Name or service not known|name resolution|Network is unreachable|getaddrinfo|URLError|ConnectionError"
    r"|Connection refused|Max retries exceeded|couldn't connect|No address associated"
)
_NO_GPU = re.compile(
    r"not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs|no CUDA-capable device", re.IGNORECASE
)


def missing_module(log: str) -> str:
    """The module that a run did not find and died of; empty if it died of something else."""
    found = _MODULE.findall(log[-4000:])
    return found[-1] if found else ""


def advice(lab: Lab, log: str, program: str | None) -> str:
    """What to do, as a clause; empty if nothing is known."""
    end = log[-6000:]
    if module := missing_module(log):
        return _module(lab, module, program)
    if _SYNTAX.search(end):
        return f"{program or 'its interpreter'} cannot read that file; if it is a newer Python's, name such a one"
    if found := _READ_ONLY.findall(end):
        return f"a run writes only to its own folder: write {found[-1]} below it, or below {{out}}"
    if _NETWORK.search(end):
        return (
            "runs have no network: let it download once, outside of autogit, and name what it got in [train] data "
            "(or open the network: [sandbox] network = true)"
        )
    if _NO_GPU.search(end):
        return "the script asks for a GPU, and this machine shows none; most scripts have an option for the CPU"
    names = [name for groups in _FILE.findall(end) for name in groups if name]
    return _file(lab, names[-1]) if names else ""


def _module(lab: Lab, module: str, program: str | None) -> str:
    top = module.partition(".")[0]
    tracked = lab.ledger.paths(lab.ledger.main())
    for path in sorted(tracked, key=len):
        parts = PurePosixPath(path).parts
        if parts[-1] == f"{top}.py" or (top in parts[:-1] and path.endswith(".py")):
            place = len(parts) - 1 if parts[-1] == f"{top}.py" else parts.index(top)
            inner = PurePosixPath(*parts[:place]).as_posix()
            if f"{inner}/__init__.py" in tracked:
                # A module of a package bears the name of the package that is missing, and is not meant.
                continue
            inner = os.path.relpath(inner, lab.ledger.prefix or ".")
            return (
                f"{top} lies in {inner} of this repository, and a run sees its own checkout, not what is installed "
                f"from yours: begin train.command with PYTHONPATH={inner}"
            )
    for submodule in lab.ledger.submodules(lab.ledger.main()):
        here = lab.ledger.root / submodule
        if (here / f"{top}.py").exists() or (here / top).is_dir() or PurePosixPath(submodule).name == top:
            return f'it lies in the submodule {submodule}: [train] data = ["{_spelled(lab, submodule)}"]'
    folder = lab.ledger.root / lab.ledger.prefix
    if (folder / f"{top}.py").exists() or (folder / top).is_dir():
        return f"{top} is in your folder, but not in a commit, and trials start from commits: git add it and commit"
    install = f"{program} -m pip install {top}" if program else f"pip install {top}"
    return f"install it ({install}), or name an interpreter in train.command that has it"


def _file(lab: Lab, name: str) -> str:
    """What to do about a file that a run did not find."""
    folder = lab.ledger.root / lab.ledger.prefix
    slots = lab.ledger.private / "slots" / "0"
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(slots):
        path = Path(os.path.relpath(path, slots / lab.ledger.prefix))
    if path.is_absolute():
        if not path.exists():
            return f"{name} is not there for you either: make it first"
        return f'a run sees no such place of yours but by name: [sandbox] read = ["{path.parent}"]'
    here = Path(os.path.normpath(folder / path))
    if not here.exists():
        for script in sorted(lab.ledger.paths(lab.ledger.main()), key=len):
            inner = PurePosixPath(script).parent
            if script.endswith(".py") and (lab.ledger.root / inner / path).exists() and str(inner) != ".":
                return f"{name} is there seen from {inner}: begin train.command with cd {inner} &&"
        return f"{name} is not in your folder either: whatever makes it has to run once, outside of autogit"
    data = _data(lab, here)
    return f'{name} is in your folder, but not in a commit, so a run does not see it: [train] data = ["{data}"]'


def _data(lab: Lab, path: Path) -> str:
    """The largest folder around `path` that no commit has anything of, as `train.data` spells it."""
    root = lab.ledger.root
    if not path.is_relative_to(root):
        return os.path.relpath(path.parent if path.is_file() else path, root / lab.ledger.prefix)
    for submodule in lab.ledger.submodules(lab.ledger.main()):
        if path.is_relative_to(root / submodule):
            return _spelled(lab, submodule)
    tracked = lab.ledger.paths(lab.ledger.main())
    relative = path.relative_to(root)
    for part in [*reversed(relative.parents), relative]:
        if str(part) != "." and not any(PurePosixPath(known).is_relative_to(part.as_posix()) for known in tracked):
            return _spelled(lab, part.as_posix())
    return _spelled(lab, relative.as_posix())


def _spelled(lab: Lab, path: str) -> str:
    """A path from the repository's root as this configuration has to spell it."""
    return os.path.relpath(path, lab.ledger.prefix or ".")
