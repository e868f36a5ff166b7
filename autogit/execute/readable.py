"""What a job must be able to read to run at all: the system's libraries, and the interpreter wherever it lives."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from autogit.config.model import FILENAME, Sandbox
from autogit.errors import ConfigError
from autogit.protocols import Job

SYSTEM = tuple(Path(path) for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"))
"""Programs and libraries; on most systems all but /usr are links into it."""
SETTINGS = tuple(
    Path("/etc") / name
    for name in (
        "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "nsswitch.conf",
        "magic", "mime.types", "OpenCL", "vulkan", "nvidia", "fonts",
    )
)  # fmt: skip
"""Of /etc, what libraries read. Nothing there is secret."""
NETWORK_SETTINGS = tuple(
    Path("/etc") / name
    for name in ("resolv.conf", "hosts", "host.conf", "gai.conf", "services", "protocols", "ssl", "pki",
                 "ca-certificates", "ca-certificates.conf")
)  # fmt: skip
"""What is needed besides where the network is open."""
DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/kfd", "/dev/dri", "/dev/dxg")
"""Globs of GPU devices."""


def devices() -> list[Path]:
    """The GPU devices of this machine."""
    return sorted(path for pattern in DEVICES for path in Path("/").glob(pattern.lstrip("/")) if not path.is_dir()) + [
        path for path in (Path("/dev/dri"),) if path.is_dir()
    ]


def settings(network: bool) -> tuple[Path, ...]:
    """Of /etc, what is readable as it is."""
    # Debian's Python has its sitecustomize.py there, behind a link.
    of_python = tuple(sorted(Path("/etc").glob("python3*")))
    return SETTINGS + of_python + (NETWORK_SETTINGS if network else ())


def named(job: Job, sandbox: Sandbox, variables: Mapping[str, str]) -> list[Path]:
    """All that a job reads besides the system: its interpreter, its data, and what the configuration opens.

    Raises ConfigError for a configured path that does not exist.
    """
    opened = []
    for name in sandbox.read:
        path = Path(name).expanduser()
        if not path.is_absolute() or not path.exists():
            raise ConfigError(f'{FILENAME}: sandbox.read = "{name}": expected an absolute path that exists')
        opened.append(path)
    return _outermost([*interpreters(job.command, variables), *opened, *job.data])


def interpreters(command: str, variables: Mapping[str, str]) -> list[Path]:
    """Folders outside the system's that the programs of `command` live in, the Python environments that they belong to,
    and those of the `python` on PATH and of the interpreter that runs autogit.
    """
    path = variables.get("PATH", os.defpath)
    folders: set[Path] = set()
    for program in {"python", "python3", sys.executable, *_words(command)}:
        found = shutil.which(program, path=path)
        if found is not None and os.sep in found:
            folders.update(_environment(Path(found)))
    folders.update(Path(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix))
    if site.ENABLE_USER_SITE and site.USER_SITE:
        folders.add(Path(site.USER_SITE))
    return _outermost(folder for folder in folders if folder.exists() and not _is_system(folder))


def versions(command: str, path: str) -> dict[str, str]:
    """Of Python and torch, as the interpreter that `command` names (or `python`) has them; read, not run."""
    programs = [word for word in _words(command) if Path(word).name.startswith("python")]
    program = shutil.which((*programs, "python3")[0], path=path)
    for folder in _environment(Path(program)) if program else ():
        for packages in sorted(folder.glob("lib/python3*/*-packages")):
            torch = [found.version for found in distributions(name="torch", path=[str(packages)])]
            if torch or (folder / "pyvenv.cfg").is_file():
                return {"python": packages.parent.name.removeprefix("python"), **({"torch": torch[0]} if torch else {})}
    return {"python": platform.python_version()}


def _words(command: str) -> Iterator[str]:
    """Whatever in a shell command might be a program: to ask for one too many does no harm."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        for word in lexer:
            # A path from the checkout needs no permission, and here it would be looked for in the wrong place.
            if "=" not in word and not word.startswith("-") and (os.sep not in word or word.startswith(os.sep)):
                yield word
    except ValueError:
        return  # An unclosed quote: the shell will say so.


@cache
def _environment(program: Path) -> tuple[Path, ...]:
    """What `program` needs to be found and to run: each link on the way to it, with the environment it lies in."""
    needed: list[Path] = []
    for _ in range(40):
        needed += _around(program)
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
    return tuple(needed)


def _around(program: Path) -> Iterator[Path]:
    folder, prefix = program.parent, program.parent.parent
    if folder.name == "shims" and (prefix / "versions").is_dir():
        yield prefix  # pyenv: a shim looks for the version to run, and runs it.
    elif folder.name in ("bin", "Scripts") and _is_environment(prefix):
        yield prefix
        yield from _beneath(prefix / "pyvenv.cfg")
    elif not _is_system(program):
        yield program


def _is_environment(prefix: Path) -> bool:
    """Whether `prefix` is the root of a Python environment, and not something larger, such as ~/.local."""
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
        return True
    return any(prefix.glob("lib/python3*/os.py"))


def _beneath(settings: Path) -> Iterator[Path]:
    """The environment that a virtual one is built on."""
    try:
        lines = settings.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home":
            home = Path(value.strip())
            if _is_environment(home.parent):
                yield home.parent
            for program in home.glob("python3*"):
                yield from _environment(program) if program.is_symlink() else ()


def _is_system(path: Path) -> bool:
    return path == Path("/") or any(path.is_relative_to(folder) for folder in SYSTEM)


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Without those that lie in another; the places themselves and what they are links to."""
    places = {place for folder in folders for place in (Path(os.path.normpath(folder)), folder.resolve())}
    places = {place for place in places if not _is_system(place)}
    return sorted(place for place in places if not any(parent in places for parent in place.parents))
