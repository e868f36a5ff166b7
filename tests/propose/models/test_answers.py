"""Answers to the shipped workspace's prompt in the styles that models write: over HTTP, through the proposer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_server import LlmServer, Say
from propose.models.bench import LlmBench, model
from shipped import SHIPPED

from autogit.config.load import parse
from autogit.propose.models.answer import read
from autogit.propose.models.client import CostLimit
from autogit.propose.models.llm import LlmProposer

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.md"))
CONFIG = (Path(__file__).parents[3] / ".autoresearch.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_an_answer_lands_as_it_was_meant(path: Path) -> None:
    """The first line says how many lines are added and removed, or why the answer is refused."""
    head, text = path.read_bytes().decode().split("\n", 1)
    expected = head.removeprefix("expect: ")
    files = {name: (SHIPPED / name).read_text(encoding="utf-8") for name in ("train.py", "model.py")}
    bench = LlmBench(files, parse(CONFIG))
    with LlmServer([Say(text, piece=64)]) as server:
        made = LlmProposer(model(server.url, repairs=0), CostLimit(None), threading.Event()).propose(bench.context())
    if expected.startswith("refused: "):
        assert not made.diff and expected.removeprefix("refused: ") in made.refused
        return
    assert made.refused == ""
    changed = [line for line in made.diff.splitlines() if line[:1] in "+-" and line[:4] not in ("+++ ", "--- ")]
    assert f"+{sum(c[0] == '+' for c in changed)} -{sum(c[0] == '-' for c in changed)}" == expected
    assert not made.title.startswith("An untitled") and made.operator != "other" and made.rationale and made.expected


DRAFT = "```diff\n--- a/train.py\n+++ b/train.py\n@@\n-learning_rate = 0.02\n+learning_rate = 5.0\n```\n"
FINAL = "```diff\n--- a/train.py\n+++ b/train.py\n@@\n-momentum = 0.0\n+momentum = 0.35\n```\n"
ANSWER = f"TITLE: Momentum\nKIND: optimizer\nHYPOTHESIS: It helps.\nEXPECTED: 0.1 lower\n\n{FINAL}"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"),
        ("", "</think>"),
        ("", "</thinking>"),
        ("", "</THOUGHT>"),
        ("", "[/THINK]"),
        ("<seed:think>", "</seed:think>"),
        ("", "</seed:think>"),
        ("", "◁/think▷"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("<think>one</think>\n<think>", "</think>"),
        ("The tag </think> ends a thought. ", "</think>"),
    ],
)
def test_what_was_thought_is_not_what_was_answered(opening: str, closing: str) -> None:
    found = read(f"{opening}Hm.\n{DRAFT}No, that would diverge.\n{closing}\n\n{ANSWER}")
    assert (found.title, found.alternative) == ("Momentum", "")
    assert "momentum = 0.35" in found.change and "5.0" not in found.change


def test_a_thought_that_never_ends_is_no_answer() -> None:
    assert read(f"<think>Hm.\n{DRAFT}").change == ""


@pytest.mark.parametrize("line", ['+STOP = "</think>"', '-STOP = "</think>"', ' A = "</think>"  # stays', "+</think>"])
def test_a_tag_in_a_diff_is_code(line: str) -> None:
    found = read(ANSWER.replace("@@\n", f"@@\n{line}\n"))
    assert found.title == "Momentum" and line in found.change


@pytest.mark.parametrize(
    "between",
    [
        "Option B (instead of A):",
        "**Alternative 2**",
        "### Second option",
        "Alternatively:",
        "Or, if you prefer a smaller step:",
        "Wait, that would diverge. Better:",
        "If that fails, try this:",
        "Actually, this is what I want:",
        "On second thought, change the momentum:",
        "TITLE: Another one\nKIND: optimizer",
        "Another approach would be",
    ],
)
def test_two_alternatives_in_one_answer_are_seen(between: str) -> None:
    found = read(f"TITLE: Rate\nKIND: optimizer\n\nOption A\n{DRAFT}\n{between}\n\n{FINAL}")
    assert found.alternative


@pytest.mark.parametrize(
    "between",
    ["", "And in the same file:", "Then the second file, `model.py`:", "This also needs the optimizer to know it."],
)
def test_one_change_in_several_blocks_is_one(between: str) -> None:
    assert not read(f"TITLE: Rate\nKIND: optimizer\n\n{DRAFT}\n{between}\n\n{FINAL}").alternative


def test_words_behind_the_last_block_are_no_alternative() -> None:
    assert not read(f"{ANSWER}\nAlternatively one could try 0.5, but I would not.\n").alternative


def test_the_source_of_an_idea_is_kept() -> None:
    found = read(ANSWER.replace("\n\n```", "\nSOURCE: Sutskever et al., ICML 2013\n\n```"))
    assert found.hypothesis == "It helps. (source: Sutskever et al., ICML 2013)"
    assert found.expected == "0.1 lower"
    assert read(ANSWER.replace("\n\n```", "\nSOURCE: none\n\n```")).hypothesis == "It helps."


def test_what_is_expected_ends_where_the_file_is_named() -> None:
    assert read(ANSWER.replace("\n\n```", "\n\n### train.py\n\n```")).expected == "0.1 lower"


@given(st.lists(st.sampled_from([*"<>/k`~ \n+-@", "</think>", "```", "TITLE:", "Option B", DRAFT])).map("".join))
def test_any_text_is_read(text: str) -> None:
    read(text)


def test_alternatives_are_given_back_with_what_to_do() -> None:
    both = f"TITLE: Rate\nKIND: optimizer\n\n{DRAFT}\nOption B:\n\n{FINAL}"
    files = {"train.py": "learning_rate = 0.02\nmomentum = 0.0\n"}
    bench = LlmBench(files)
    with LlmServer([Say(both), Say(ANSWER)]) as server:
        made = LlmProposer(model(server.url), CostLimit(None), threading.Event()).propose(bench.context())
    assert "more than one proposal ('Option B:')" in server.requests[1].last
    assert "+momentum = 0.35" in made.diff and "learning_rate" not in made.diff.replace(" learning_rate", "")
