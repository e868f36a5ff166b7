"""Answers to the shipped workspace's prompt in the styles that models write: over HTTP, through the proposer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from llm_server import LlmServer, Say
from propose.llm_bench import LlmBench, model
from shipped import SHIPPED

from autogit.config.load import parse
from autogit.propose.models.llm import LlmProposer
from autogit.propose.models.purse import Purse

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.md"))
CONFIG = (Path(__file__).parents[2] / ".autoresearch.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_an_answer_lands_as_it_was_meant(path: Path) -> None:
    """The first line says how many lines are added and removed, or why the answer is refused."""
    head, text = path.read_bytes().decode().split("\n", 1)
    expected = head.removeprefix("expect: ")
    files = {name: (SHIPPED / name).read_text(encoding="utf-8") for name in ("train.py", "model.py")}
    bench = LlmBench(files, parse(CONFIG))
    with LlmServer([Say(text, piece=64)]) as server:
        made = LlmProposer(model(server.url, repairs=0), Purse(None), threading.Event()).propose(bench.context())
    if expected.startswith("refused: "):
        assert not made.diff and expected.removeprefix("refused: ") in made.refused
        return
    assert made.refused == ""
    changed = [line for line in made.diff.splitlines() if line[:1] in "+-" and line[:4] not in ("+++ ", "--- ")]
    assert f"+{sum(c[0] == '+' for c in changed)} -{sum(c[0] == '-' for c in changed)}" == expected
    assert not made.title.startswith("An untitled") and made.operator != "other" and made.rationale and made.expected
