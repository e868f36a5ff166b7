from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose.fabricated import record
from propose.models.bench import CONFIG, TRAIN, Told

from autogit.config.load import parse
from autogit.config.model import Metric
from autogit.errors import ProposerError
from autogit.history import History
from autogit.propose.models.answer import form, read
from autogit.propose.models.prompt import Briefing, model_prompt
from autogit.propose.models.quote import block, inline, tokens, visible
from autogit.propose.models.trials import tried
from autogit.records import BASELINE, Curve, Idea, Proposal, Record, Verdict


class Diffs(dict[str, str]):
    """Every trial's diff."""

    def __missing__(self, trial: str) -> str:
        return f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-a = 0\n+a = {trial}\n"


VERDICTS = [Verdict.ACCEPTED, Verdict.REJECTED, Verdict.CRASHED, Verdict.UNSTABLE, Verdict.INVALID]


def history(count: int) -> History:
    made = History(Metric())
    baseline = record("0", "c0", "c0", 1.0, proposer=BASELINE, operator=BASELINE)
    made.add(replace(baseline, statistics={"sigma": 0.01 * 2**0.5}, environment={"device": "cpu", "threads": 2}))
    for i in range(1, count + 1):
        verdict = Verdict.ACCEPTED if i % 11 == 1 else VERDICTS[1 + i % 4]
        value = None if verdict not in (Verdict.ACCEPTED, Verdict.REJECTED) else 1.0 + 0.05 * (i % 7)
        made.add(_titled(record(str(i), f"c{i}", "c0", value, verdict, "llm:m", f"kind{i % 5}", reason=f"why {i}"), i))
    return made


def _titled(made: Record, i: int) -> Record:
    return replace(
        made, trial=replace(made.trial, title=f"Change number {i}", rationale=f"because of {i}", expected="-1%")
    )


def briefing(count: int = 0, **changes: object) -> Briefing:
    return Briefing(
        **{
            "config": parse(CONFIG),
            "base": "c0",
            "files": {"train.py": TRAIN},
            "history": history(count),
            "revisions": Told(Diffs()),
        }
        | changes
    )  # type: ignore[arg-type]


def test_it_says_what_there_is_to_know() -> None:
    curve = Curve(1, "loss", tuple(range(0, 1000, 10)), tuple(3.0 / (1 + i) for i in range(100)))
    text = model_prompt(
        briefing(
            3,
            guide="Keep it small.\n",
            ideas=(Idea("a", "Try rotary embeddings", "1"), Idea("b", "Then SwiGLU", "2")),
            revisions=Told(Diffs(), {"0": (curve,)}),
            importance={"learning_rate": 0.7, "width": 0.3},
            pending=(Proposal("c0", "", "A title in work", "llm:m", "other"),),
        ),
        5000,
    )
    for fact in (
        "val_loss, lower is better", "Target: 0.5", "500 steps", "`*.py`", "`.autoresearch.toml`, `evaluate.py`",
        "Keep it small.", "try this one now", "Try rotary embeddings", "Then SwiGLU", "device cpu, threads 2",
        "deviation of 0.0141", "0: 3,", "990: 0.03", "learning_rate 70%", "A title in work",
        "Change number 1", "because of 2", "- 3 [invalid] Change number 3; why 3",
        "llm:m/kind1: 1 of 1 accepted", "+a = 1", "by seed (this / trial 0): 1: 1.05 / 1",
        TRAIN, "TITLE:",
    ):  # fmt: skip
        assert fact in text, fact
    assert model_prompt(briefing(3), 5000) == model_prompt(briefing(3), 5000)


@given(count=st.integers(0, 60), room=st.integers(900, 4000))
@settings(max_examples=40, deadline=None)
def test_it_fits_and_never_cuts_a_file(count: int, room: int) -> None:
    told = briefing(count)
    try:
        text = model_prompt(told, room)
    except ProposerError:
        # Too little even for the code and the rules.
        assert tokens(model_prompt(briefing(count), 100_000)) > room
        return
    assert TRAIN in text and form() in text
    assert tokens(text) <= room


def test_the_least_telling_trials_are_summarised_first() -> None:
    made = history(300)
    text = tried(made, Told(Diffs()), 4000)
    shown = {int(n) for n in re.findall(r"^- (\d+) \[", text, re.MULTILINE)}
    accepted = {int(r.id) for r in made.accepted}
    rejected = [int(r.id) for r in made if r.verdict is Verdict.REJECTED]
    assert accepted <= shown
    assert shown & set(rejected) != set(rejected) and "further trials in short" in text
    gone = [n for n in rejected if n not in shown]
    kept = [n for n in rejected if n in shown]
    far = [n for n in gone if made[str(n)].metrics["val_loss"] > 1.02]
    assert far and all(max(far) < n or made[str(n)].metrics["val_loss"] <= 1.02 for n in kept)
    assert [int(n) for n in re.findall(r"^- (\d+) \[", text, re.MULTILINE)] == sorted(shown)


def test_near_misses_are_called_so() -> None:
    made = history(0)
    made.add(record("1", "c1", "c0", 1.015, Verdict.REJECTED))
    made.add(record("2", "c2", "c0", 1.5, Verdict.REJECTED))
    text = tried(made, Told(Diffs()), 1000)
    assert "- 1 [near miss]" in text and "val_loss 0.015 worse than trial 0" in text and "- 2 [rejected]" in text


def test_what_cannot_be_shortened_is_too_long() -> None:
    with pytest.raises(ProposerError, match="name fewer files"):
        model_prompt(briefing(files={"train.py": "x = 1\n" * 10_000}), 5000)


hostile = st.lists(st.sampled_from([*"`~\n #aT:\r", "\x1b[0m", "```", "\n```\n", "````", "\u202e"]), max_size=40).map(
    "".join
)


@given(hostile)
def test_no_data_closes_its_fence(text: str) -> None:
    lines = block(text).split("\n")
    fence = lines[0].removesuffix("data")
    assert set(fence) == {"`"} and lines[-2:] == [fence, ""]
    assert not any(line.lstrip().startswith(fence) for line in lines[1:-2])
    assert block(text).startswith(f"{fence}data\n{text}")


@given(st.text(max_size=300), st.integers(5, 100))
def test_inline_text_stays_one_plain_line(text: str, most: int) -> None:
    line = inline(text, most)
    assert len(line) <= most and line.isprintable() and "`" not in line


def test_visible_text_keeps_what_a_person_sees() -> None:
    assert visible("\x1b[31mred\x1b[0m\tx\n10%\r50%\r100%\n\x1b]0;title\x07ok\u200b") == "red\tx\n100%\nok"


DIFF = "--- a/x.py\n+++ b/x.py\n@@\n-a\n+b\n"


@pytest.mark.parametrize(
    "text",
    [
        f"TITLE: Widen\nKIND: optimizer\nHYPOTHESIS: more\nEXPECTED: less\n\n```diff\n{DIFF}```\n",
        f"**TITLE:** Widen\n**KIND:** optimizer\n**HYPOTHESIS:** more\n**EXPECTED:** less\n\n{DIFF}",
        "<think>TITLE: no\n```\nno\n```\n</think>\n# Title: Widen\n## Kind: Optimizer.\n## Hypothesis:\nmore\n"
        f"## Expected: less\n```\n{DIFF}```",
        'Sure! Here it is.\r\n\r\nTITLE: "Widen"\r\nKIND: optimizer (Adam)\r\nHYPOTHESIS: more\r\nEXPECTED: less\r\n'
        f"```diff\r\n{DIFF}```\r\n",
        f"```\nTITLE: Widen\nKIND: optimizer\nHYPOTHESIS: more\nEXPECTED: less\n```\n```diff\n{DIFF}```\n",
    ],
)  # fmt: skip
def test_the_form_is_read_in_whatever_dress(text: str) -> None:
    answer = read(text)
    assert (answer.title, answer.kind, answer.hypothesis) == ("Widen", "optimizer", "more")
    assert answer.expected.startswith("less")
    assert "+b" in answer.change and "TITLE" not in answer.change and "no" not in answer.change


def test_an_answer_without_its_form_still_has_its_change() -> None:
    answer = read(DIFF)
    assert (answer.title, answer.kind, answer.change) == ("", "other", DIFF)


@given(st.text(max_size=200))
def test_any_text_is_an_answer(text: str) -> None:
    read(text)
