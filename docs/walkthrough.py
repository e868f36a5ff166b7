"""Does what a page says, as written: `python docs/walkthrough.py docs/your-own-repo.md` puts the real output into it.

A block of ```python fit.py is a file to write. A block of ```console is a session in one folder: `$ command`, and under
it what it printed. `run` gives what each command prints now; the tests compare, this program rewrites.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PERSON = "/home/ada"
"""Stands in the page for the home folder that the commands really ran in."""
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*\n)((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """A command of a page, what the page says that it prints, and what it printed."""

    command: str
    shown: str
    printed: str
    status: int


def run(page: str, home: Path) -> Iterator[Done]:
    """Writes the files and runs the commands of a page, in order, for a person whose home folder is `home`.

    In it lies `autogit`, the clone that this file is in.
    """
    (home / "autogit").symlink_to(Path(__file__).parents[1])
    (home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "HOME": str(home), "PATH": programs, "COLUMNS": "100"}
    folder = home
    for language, name, text in _BLOCK.findall(page):
        if name:
            (folder / name).write_text(text)
        for command, shown in _COMMAND.findall(text) if language == "console" else ():
            script = f"{command}\nstatus=$?\npwd >&3\nexit $status\n"
            reader, writer = os.pipe()
            done = subprocess.run(
                ["bash", "-c", script.replace(">&3", f">&{writer}")], cwd=folder, env=variables, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, pass_fds=[writer],
            )  # fmt: skip
            os.close(writer)
            with os.fdopen(reader) as told:
                folder = Path(told.read().strip() or folder)
            printed = done.stdout.replace(str(home), PERSON).replace(sys.prefix, f"{PERSON}/env")
            yield Done(command.strip(), shown, printed, done.returncode)


def rewritten(page: str, home: Path) -> str:
    """The page with what its commands print now."""
    results = run(page, home)

    def session(block: re.Match[str]) -> str:
        if block[1] != "console":
            return block[0]
        return _COMMAND.sub(lambda found: f"$ {found[1]}{next(results).printed}", block[0])

    return _BLOCK.sub(session, page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as home:
            Path(name).write_text(rewritten(Path(name).read_text(), Path(home)))
