"""The commands that a project's own texts name: README, Makefile, shell scripts and the docstring of a script."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from autogit.setup.surroundings import Surroundings, parsed, read

_STARTS = re.compile(
    r"(?:^|[\s`$>;&!(@\"'])((?:[A-Z_]+=\S+ )*(?:python[\d.]*|torchrun|uv run(?: python[\d.]*)?|poetry run python"
    r"|accelerate launch|deepspeed|papermill|jupyter nbconvert)(?:[ \t]+[^\s`;|&<>]+)+)"
)
_ENTERS = re.compile(r"(?:^|[\s`$;&(])cd[ \t]+([^\s`;&|]+)")
_UNKNOWN = re.compile(r"[{}$<>\[\]]|\.\.\.|/path/|path/to|\bXX")
"""What stands in a command for something that only a person knows."""
_LARGEST_LINE = 2000
"""Characters of a line that is read."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of a project's texts that starts a file of the repository."""

    text: str
    """As it is written, in one line."""
    folder: str
    """Where it is started, by the `cd` before it; "" is the folder that was looked at."""
    target: str
    """The file that it starts."""
    source: str
    """The file that names it."""
    whole: bool
    """Whether it can be run as it is written, without a word that stands for something else."""
    exact: bool = True
    """Whether it names the file with its folder; else it is the only one of that name."""

    @property
    def words(self) -> list[str]:
        """Its words, as a shell reads them."""
        return words(self.text)


def commands(around: Surroundings) -> list[Command]:
    """Every command of the project's own texts that starts one of its files, in the order of the texts."""
    sources = sorted((p for p in around.tracked if _tells(p)), key=_weight)
    found = []
    for source in sources:
        text = read(around.folder / source) or ""
        found += list(_read(source, _expanded(source, text), around))
    for path, text in around.texts.items():
        if path.endswith(".py") and (tree := parsed(text)) is not None and (doc := ast.get_docstring(tree)):
            found += [c for c in _read(path, doc, around) if c.target == path]
    return found


def target(command: str, folder: str, around: Surroundings) -> tuple[str, str]:
    """(the file of the repository that a command line starts, its folder); the file is "" if there is none."""
    for part in re.split(r"&&|;|\|\|", command):
        if (entered := re.fullmatch(r"\s*cd\s+(\S+)\s*", part)) is not None:
            folder = _inside(folder, entered[1].strip("\"'"))
            continue
        given = words(part)
        for place, word in enumerate(given):
            if word == "-m" and place + 1 < len(given) and (file := _module(given[place + 1], folder, around)):
                return file, folder
            file = _inside(folder, word)
            if word.endswith((".py", ".sh", ".ipynb")) and file in around.tracked:
                return file, folder
    return "", folder


def words(text: str) -> list[str]:
    """The words of a command line; of one that is no whole shell text, what stands between blanks."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _read(source: str, text: str, around: Surroundings) -> Iterator[Command]:
    home = PurePosixPath(source).parent.as_posix().removeprefix(".")
    folder = home
    for line in text.replace("\\\n", " ").splitlines():
        line = line[:_LARGEST_LINE]
        if line.lstrip().startswith(("```", "#", "~~~")) and not source.endswith(".sh"):
            folder = home
        spots = [(m.start(), "cd", m[1]) for m in _ENTERS.finditer(line)]
        spots += [(m.start(), "", m[1]) for m in _STARTS.finditer(line)]
        for _, kind, said in sorted(spots):
            if kind:
                inside = _inside(folder, said.strip("\"'"))
                folder = inside if any(p.startswith(f"{inside}/") for p in around.tracked) else folder
                continue
            for start in dict.fromkeys((folder, home, "")):
                file, where = target(said, start, around)
                exact = bool(file)
                file, where = (file, where) if file else _only(said, around)
                if file and not file.endswith(".sh"):
                    plain = re.sub(r"\s+", " ", said).strip().rstrip(".,:)\"'")
                    yield Command(plain, where, file, source, _UNKNOWN.search(plain) is None, exact)
                    break


def _only(command: str, around: Surroundings) -> tuple[str, str]:
    """The file of a command that leaves its folder out, if there is just one of that name; (file, its folder)."""
    name = next((word for word in words(command) if word.endswith(".py") and "/" not in word), "")
    same = [path for path in around.texts if name and path.endswith(f"/{name}")]
    return (same[0], PurePosixPath(same[0]).parent.as_posix()) if len(same) == 1 else ("", "")


def _expanded(source: str, text: str) -> str:
    """A Makefile's or shell script's text with its own simple variables filled in."""
    name = PurePosixPath(source).name.lower()
    if not (name.startswith(("makefile", "justfile")) or name.endswith((".sh", ".mk"))):
        return text
    values = dict(
        re.findall(r"^[ \t]*(?:export )?(\w+)[ \t]*[:?]?=[ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*$", text, re.MULTILINE)
    )
    values = {"PYTHON": "python", "PY": "python"} | values
    for _ in range(3):
        text = re.sub(
            r"\$\{(\w+)\}|\$\((\w+)\)|\$(\w+)|\{\{ ?(\w+) ?\}\}",
            lambda m: values.get(m[1] or m[2] or m[3] or m[4] or "", m[0]), text,
        )  # fmt: skip
    return text


def _tells(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    deep = len(PurePosixPath(path).parts) - 1
    known = name.startswith(("readme", "makefile", "justfile")) or name == "program.md"
    return (known and deep <= 3) or (name.endswith(".sh") and deep <= 2)


def _weight(path: str) -> tuple[int, int, str]:
    """The root's README first: what is told before what is only used."""
    name = PurePosixPath(path).name.lower()
    kind = ("autoresearch.sh", "readme", "program.md", "makefile", "justfile")
    return path.count("/"), next((i for i, k in enumerate(kind) if name.startswith(k)), len(kind)), path


def _module(name: str, folder: str, around: Surroundings) -> str:
    place = name.replace(".", "/")
    places = [f"{_inside(folder, start)}{end}" for start in (place, f"src/{place}") for end in (".py", "/__main__.py")]
    return next((p for p in places if p in around.tracked), "")


def _inside(folder: str, name: str) -> str:
    """`name` seen from `folder`, as the repository spells it; "" is the top."""
    return (
        os.path.normpath(PurePosixPath(folder or ".", name)).removeprefix("./").replace("\\", "/").strip()
        if name
        else folder
    )
