"""The report of a real lab, and the geometry of its chart."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.config.model import Metric
from autogit.history import History
from autogit.records import Record, Trial, Verdict
from autogit.report import Facts, page
from autogit.report.chart import HEIGHT, WIDTH, chart, ticks

FACTS = Facts("lab", "today", "", None, "measured", {})


class Page(HTMLParser):
    """What a page holds: its tags, the classes of its marks, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.marks: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "circle":
            self.marks.append(dict(attrs)["class"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def record(number: int, value: float | None, verdict: Verdict, base: str = "c0", **more: float) -> Record:
    proposer = "baseline" if number == 0 else "person"
    trial = Trial(str(number), f"c{number}", base, f"Change <b>{number}</b>", proposer, "try")
    return Record(trial, verdict, "because", {} if value is None else {"val_loss": value}, statistics=more)


def test_a_lab_s_report_tells_every_trial_and_leaves_the_workspace_alone(tmp_path: Path) -> None:
    lab = Lab.open(make_toy(tmp_path / "lab"))
    lab.loop(trials=5)
    before = sorted(p.name for p in lab.ledger.root.iterdir())
    found = Page(lab.report().read_text())
    assert sorted(p.name for p in lab.ledger.root.iterdir()) == before
    measured = [r for r in lab.trials() if lab.history.value(r) is not None]
    assert len(found.marks) == len(measured) and found.marks.count("baseline") == 1
    for trial in lab.trials()[1:]:
        assert f"exp/{trial.id}" in found.text and trial.trial.title in found.text
    best = lab.best()
    assert best is not None and best.reproduce in found.text and "what the training script says of itself" in found.text


def test_the_command_writes_where_it_is_told_or_says_why_not(tmp_path: Path) -> None:
    from click.testing import CliRunner

    folder = make_toy(tmp_path / "lab")
    run = CliRunner(catch_exceptions=False)
    done = run.invoke(cli, ["-C", str(folder), "report", str(tmp_path / "night.html")])
    assert done.exit_code == 0 and "No trial has been accepted yet" in Page((tmp_path / "night.html").read_text()).text
    failed = run.invoke(cli, ["-C", str(folder), "report", str(tmp_path / "no" / "night.html")])
    assert failed.exit_code == 1 and "name another FILE" in failed.output


def test_what_a_proposal_calls_itself_is_text_and_no_markup() -> None:
    history = History(Metric(), [record(0, 2.0, Verdict.ACCEPTED), record(1, 3.0, Verdict.REJECTED)])
    found = Page(page(history, FACTS))
    assert "Change <b>1</b>" in found.text


@pytest.mark.parametrize(("direction", "better"), [("min", 1.0), ("max", 3.0)])
def test_a_dead_trial_stands_where_the_same_seeds_put_it(direction: Literal["min", "max"], better: float) -> None:
    """Its own mean may lie on the other side of the line, by the luck of other seeds."""
    dead = record(1, better, Verdict.REJECTED, gain=-0.5)
    history = History(replace(Metric(), direction=direction), [record(0, 2.0, Verdict.ACCEPTED), dead])
    drawn = chart(history)
    assert drawn is not None
    line, mark = drawn.marks[0].y, drawn.marks[1].y
    assert (mark < line) == (direction == "min")
    unpaired = chart(History(history.metric, [record(0, 2.0, Verdict.ACCEPTED), record(1, better, Verdict.REJECTED)]))
    assert unpaired is not None and (unpaired.marks[1].y < unpaired.marks[0].y) == (better > 2.0)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from([Verdict.ACCEPTED, Verdict.REJECTED])), min_size=1))
def test_every_mark_is_in_the_picture(trials: list[tuple[float, Verdict]]) -> None:
    history = History(Metric(), [record(n, value, verdict) for n, (value, verdict) in enumerate(trials)])
    drawn = chart(history)
    assert drawn is not None and len(drawn.marks) == len(trials)
    assert all(0 <= mark.x <= WIDTH and 0 <= mark.y <= HEIGHT for mark in drawn.marks)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_ascending_and_within(low: float, span: float) -> None:
    high = low + span
    if high - low < abs(low) * 1e-9:
        return
    found = ticks(low, high)
    slack = span * 1e-6
    assert 1 <= len(found) <= 12 and found == sorted(set(found))
    assert low - slack <= found[0] and found[-1] <= high + slack
