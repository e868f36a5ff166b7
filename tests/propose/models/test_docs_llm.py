"""docs/llm.md shows a prompt as it is sent, and settings that are understood."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from pathlib import Path

from llm_server import LlmServer, Say, answer
from propose.fabricated import record
from propose.models.bench import CONFIG, DIFF, LlmBench, model

from autogit.config.load import parse
from autogit.propose.models.client import CostLimit
from autogit.propose.models.llm import LlmProposer
from autogit.propose.models.quote import block
from autogit.records import BASELINE, Curve, Idea, Record, Verdict

PAGE = Path(__file__).parents[3] / "docs" / "llm.md"
BEGIN, END = "<!-- prompt -->\n", "<!-- end of prompt -->"


def prompt() -> str:
    """What a model is sent in a lab with four trials, an idea and a program.md."""
    bench = LlmBench()
    bench.told.words = "Find the best model that trains within 500 steps on a laptop.\nKeep the code short.\n"
    bench.told.queue = (Idea("5f0c2a11", "Try a narrower bottleneck", "2026-01-01T00:00:00+00:00"),)
    bench.told.curve = {"2": (Curve(1, "loss", (100, 200, 300, 400, 500), (2.1, 1.6, 1.3, 1.1, 1.0)),)}
    for made in trials():
        bench.history.add(made)
    bench.diffs.update(
        {"1": change("warmup = 0", "warmup = 50"), "2": change("1e-4", "3e-4"), "3": change("GELU", "SwiGLU")}
    )
    bench.base = "c2"
    with LlmServer([Say(answer(DIFF))]) as server:
        LlmProposer(model(server.url), CostLimit(None), threading.Event()).propose(bench.context())
        return server.requests[0].last


def change(old: str, new: str) -> str:
    return f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -3 +3 @@\n-{old}\n+{new}\n"


def trials() -> list[Record]:
    def told(made: Record, title: str, why: str, expected: str) -> Record:
        return replace(made, trial=replace(made.trial, title=title, rationale=why, expected=expected))

    machine = {"device": "cpu", "threads": 2, "torch": "2.13"}
    baseline = replace(
        record("0", "c0", "c0", 1.0, proposer=BASELINE, operator=BASELINE), statistics={"sigma": 0.012 * 2**0.5}
    )
    warmup = record("1", "c1", "c0", 1.004, Verdict.REJECTED, "llm:tiny", "schedule", reason="0.004 worse (z = 0.3)")
    rate = record("2", "c2", "c0", 0.93, reason="0.07 better (z = 5.8)")
    crash = record(
        "3", "c3", "c2", None, Verdict.CRASHED, "patterns", "swiglu", reason="RuntimeError: mat1 and mat2 shapes"
    )
    return [
        replace(baseline, environment=machine),
        told(warmup, "Warm up over 50 steps", "Early steps are noisy.", "val_loss 0.02 lower"),
        replace(told(rate, "learning_rate 1e-4 -> 3e-4", "", ""), environment=machine),
        told(crash, "SwiGLU instead of GELU", "", ""),
    ]


def test_the_prompt_in_the_docs_is_what_is_sent() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    shown, tail = rest.split(END)
    wanted = block(prompt(), "text")
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{head}{BEGIN}{wanted}{END}{tail}", encoding="utf-8")
    else:
        assert shown == wanted, "write it anew with: UPDATE_DOCS=1 pytest tests/propose/models/test_docs_llm.py"


def test_the_settings_in_the_docs_are_understood() -> None:
    text = PAGE.read_text(encoding="utf-8").split(BEGIN)[0]
    settings = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(settings) == 6
    assert [len(parse(CONFIG + each).llm) for each in settings] == [0, 1, 1, 1, 2, 0]
    assert parse(CONFIG + settings[-1]).agent.timeout == 1200
