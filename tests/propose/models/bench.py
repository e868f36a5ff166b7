"""A made-up lab for models: diffs land through the real pipeline, ideas and guide are given."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from conftest import git
from propose.fabricated import Bench, NoRevisions

from autogit.config.load import parse
from autogit.config.model import Config, Llm
from autogit.patch import Policy, land
from autogit.protocols import Context
from autogit.records import Idea

TRAIN = """\
import torch

learning_rate = 3e-4
width = 64


def build(width):
    return [width, 4 * width]


print(build(width))
"""

DIFF = """\
--- a/train.py
+++ b/train.py
@@ -1,6 +1,6 @@
 import torch

 learning_rate = 3e-4
-width = 64
+width = 96


"""
BROKEN = DIFF.replace("learning_rate = 3e-4", "learning_rate = 1e-3")
"""Its context is not in the file."""

CONFIG = """\
[train]
command = "python train.py --seed {seed}"
editable = ["*.py"]
protected = ["evaluate.py"]
[budget]
steps = 500
[metric]
target = 0.5
"""


@dataclass
class Told(NoRevisions):
    """Revisions with a person's words."""

    words: str = ""
    queue: tuple[Idea, ...] = ()
    logs: dict[str, str] = field(default_factory=dict)
    rest: dict[str, str] = field(default_factory=dict)
    """Files of every commit beside the editable ones."""
    place: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="autogit-test-")) / "work")
    files: dict[str, str] = field(default_factory=dict)

    def guide(self) -> str:
        return self.words

    def ideas(self) -> tuple[Idea, ...]:
        return self.queue

    def log(self, trial: str) -> str:
        return self.logs.get(trial, "")

    def read(self, commit: str, path: str) -> bytes | None:
        text = {**self.files, **self.rest}.get(path)
        return None if text is None else text.encode()

    def clone(self, commit: str) -> Path:
        self.place.mkdir(exist_ok=True)
        own = ("--git-dir=.git", "--work-tree=.")
        git(self.place, *own, "init", "-q")
        git(self.place, *own, "clean", "-qfd", "-e", "scratch")
        folder = self.place
        for path, text in {**self.files, **self.rest}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        git(folder, *own, "add", "-f", *{**self.files, **self.rest})
        return folder


class LlmBench(Bench):
    """`Bench` with what models ask for besides."""

    def __init__(self, files: dict[str, str] | None = None, config: Config | None = None) -> None:
        super().__init__(files or {"train.py": TRAIN}, config or parse(CONFIG))
        self.told = Told(self.diffs)

    def context(self, **changes: object) -> Context:
        train = self.config.train
        policy = Policy(train.editable, train.protected)
        self.told.files = dict(self.files)
        everything = {**self.files, **self.told.rest}

        def check(text: str) -> str:
            return land(text, lambda p: everything[p].encode() if p in everything else None, policy).diff

        return super().context(**{"revisions": self.told, "check": check, **changes})


def model(url: str, **changes: object) -> Llm:
    return Llm(**{"model": "tiny", "base_url": url, "api_key_env": "", **changes})  # type: ignore[arg-type]
