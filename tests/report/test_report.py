"""The report of a real lab, its geometry, its sizes, and what it makes of foreign text."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from nights import facts, many, record
from toy import make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.records import Curve, Run, RunStatus, Verdict
from autogit.report.forms import FORMS
from autogit.report.headline import headline
from autogit.report.page import page
from autogit.report.parts import near_misses, parts, surprises
from autogit.report.progress import HEIGHT, WIDTH, progress, progress_svg
from autogit.report.svg import ticks


class Page(HTMLParser):
    """What a page holds: its tags, the marks of its chart by trial, its links, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.marks: dict[str, str] = {}
        self.outside: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "use" and "data-place" in given:
            self.marks[given["data-trial"] or ""] = given["class"] or ""
        self.outside += [value for key, value in attrs if key in ("src", "href") and value and "//" in value]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    found = Lab.open(make_toy(tmp_path_factory.mktemp("labs") / "lab"))
    found.loop(trials=8)
    return found


def test_a_lab_s_report_tells_every_trial_and_leaves_the_workspace_alone(lab: Lab) -> None:
    before = sorted(p.name for p in lab.ledger.root.iterdir())
    text = lab.report().read_text()
    found = Page(text)
    assert sorted(p.name for p in lab.ledger.root.iterdir()) == before
    assert found.marks.keys() == {r.id for r in lab.trials()}, "each has its mark, stopped and crashed ones too"
    assert found.marks["0"] == "m baseline"
    for trial in lab.trials()[1:]:
        assert f"exp/{trial.id}" in found.text and trial.trial.title in found.text
    best = lab.best()
    assert best is not None and best.reproduce in found.text and "what the training script says of itself" in found.text
    assert not found.outside and not re.search(r"url\(|@import|fetch\(|XMLHttp", text), "it asks nobody for anything"
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[0])
    assert any(trial["curves"] for trial in data["trials"].values())


@pytest.mark.parametrize("form", ["html", "svg", "markdown", "notebook", "png"])
def test_each_form_is_written_where_it_is_told(lab: Lab, tmp_path: Path, form: str) -> None:
    if form == "png":
        pytest.importorskip("vl_convert")
    file = tmp_path / f"night{FORMS[form].suffix}"
    options = [] if form == "html" else [f"--{form}"]
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(lab.ledger.root), "report", *options, str(file)])
    assert done.exit_code == 0 and done.output == f"{file}\n"
    content = file.read_bytes()
    if form == "png":
        assert content.startswith(b"\x89PNG") and len(content) > 10_000
    elif form == "svg":
        import xml.etree.ElementTree

        tree = xml.etree.ElementTree.fromstring(content)
        assert len([e for e in tree.iter() if e.get("data-place") and e.tag.endswith("use")]) == len(lab.trials())
    elif form == "markdown":
        assert content.decode().startswith("# lab: 8 trials") and "## The best, again" in content.decode()
    failed = CliRunner().invoke(cli, ["-C", str(lab.ledger.root), "report", *options, str(tmp_path / "no" / "x")])
    assert failed.exit_code == 1 and "name another FILE" in failed.output


def test_the_notebook_is_one_and_its_cells_run(lab: Lab, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    file = lab.report(tmp_path / "night.ipynb", "notebook")
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    names: dict[str, object] = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert isinstance(names["lab"], Lab) and "<svg" in names["lab"]._repr_html_()


def test_an_empty_lab_has_a_report(tmp_path: Path) -> None:
    found = Page(Lab.open(make_toy(tmp_path / "lab")).report().read_text())
    assert "No trial has been accepted yet" in found.text


def test_what_a_proposal_calls_itself_is_text_and_no_markup() -> None:
    hostile = "</script><script>alert(1)</script> <b>x</b> \x1b]0;t\x07\u202e'\"&"
    bad = record(1, 3.0, Verdict.REJECTED)
    bad = replace(bad, reason=hostile, trial=replace(bad.trial, title=hostile, operator=hostile, proposer=hostile,
                  parameters={hostile: hostile}))  # fmt: skip
    given = facts(record(0, 2.0, Verdict.ACCEPTED), bad, replace(bad, trial=replace(bad.trial, id="2", commit="c2")))
    text = page(given)
    found = Page(text)
    assert found.tags.count("script") == 2 and "b" not in found.tags
    assert "<b>x</b>" in found.text and not re.search("[\x1b\u202e]", text)
    assert "<b>" not in FORMS["markdown"].make(given).replace("\\<b\\>", "")  # type: ignore[operator]


@pytest.mark.parametrize("direction", ["min", "max"])
def test_up_is_better_and_seeds_are_not_mixed(direction: Literal["min", "max"]) -> None:
    """An accepted change whose own mean is worse than the baseline's, by the luck of other seeds, is a step up."""
    worse = 2.1 if direction == "min" else 1.9
    accepted = record(1, worse, Verdict.ACCEPTED, gain=0.2, low=0.1, high=0.3)
    dead = record(2, 4 - worse, Verdict.REJECTED, base="c1", gain=-0.5)
    drawn = progress(facts(record(0, 2.0, Verdict.ACCEPTED), accepted, dead, direction=direction))
    assert drawn is not None
    baseline, better, behind = (mark.y for mark in drawn.marks)
    assert better < baseline < behind
    levels = [y for _, y in drawn.proved]
    assert levels == sorted(levels, reverse=True)
    (_, _, low, high) = drawn.intervals[0]
    assert high < better < low < baseline


def test_a_stopped_run_stands_where_it_was_against_what_it_was_held_against() -> None:
    base = replace(record(0, 2.0, Verdict.ACCEPTED), runs=(Run(1, RunStatus.COMPLETED, 1.0),))
    curves = {"0": [Curve(1, "loss", (1, 2, 3), (4.0, 3.0, 2.0))]}
    marks = {}
    for number, last in enumerate((3.3, 2.7), 1):
        stopped = replace(record(number, None, Verdict.PRUNED), runs=(Run(1, RunStatus.PRUNED, 1.0),))
        curves[str(number)] = [Curve(1, "loss", (1, 2), (4.0, last))]
        drawn = progress(facts(base, stopped, curves={k: curves[k] for k in ("0", str(number))}))
        assert drawn is not None
        marks[number] = drawn.marks[1]
    assert marks[1].value == pytest.approx(-10) and marks[2].value == pytest.approx(10)
    assert "10% behind exp/0 there" in marks[1].told and "10% ahead of exp/0 there" in marks[2].told


@given(
    st.lists(st.tuples(st.none() | st.floats(-1e300, 1e300), st.sampled_from(list(Verdict))), min_size=1, max_size=30),
    st.floats(0, 1e3),
)
def test_every_mark_is_in_the_picture(trials: list[tuple[float | None, Verdict]], noise: float) -> None:
    records = [record(n, value, verdict if n else Verdict.ACCEPTED) for n, (value, verdict) in enumerate(trials)]
    given = facts(*records, noise=noise)
    drawn = progress(given)
    assert drawn is not None and len(drawn.marks) == len(trials)
    assert all(0 <= mark.x <= WIDTH and 0 <= mark.y <= HEIGHT for mark in drawn.marks)
    assert "nan" not in progress_svg(given) and "inf" not in progress_svg(given).replace("info", "")


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_ascending_and_within(low: float, span: float) -> None:
    high = low + span
    if high - low < abs(low) * 1e-9:
        return
    found = ticks(low, high)
    slack = span * 1e-6
    assert 1 <= len(found) <= 12 and found == sorted(set(found))
    assert low - slack <= found[0] and found[-1] <= high + slack


def test_parts_near_misses_and_surprises() -> None:
    records = [record(0, 1.0, Verdict.ACCEPTED)]
    for number in range(1, 9):
        each = record(number, 1.0, Verdict.REJECTED, gain=-0.01 * number, z=-1.0)
        records.append(replace(each, trial=replace(each.trial, operator="gelu+lr", parameters={"lr": 0.1})))
    odd = record(9, 1.0, Verdict.REJECTED, gain=0.4, z=1.5)
    records.append(replace(odd, trial=replace(odd.trial, operator="gelu")))
    given = facts(*records)
    found = {(part.kind, part.name): part for part in parts(given)}
    assert found[("move", "gelu")].tried == 9 and found[("parameter", "lr")].tried == 8, "a bundle counts for each part"
    assert ("move", "lr") not in found, "a parameter is no kind of move"
    lr = found[("parameter", "lr")]
    assert lr.effect == pytest.approx(-4.5) and lr.interval == pytest.approx((-8, -1)) and lr.rate[0] == 0
    assert [miss.id for miss in near_misses(given)] == ["9"]
    assert [each.record.id for each in surprises(given)] == []
    records.append(replace(odd, trial=replace(odd.trial, id="10", commit="c10", operator="gelu+lr")))
    assert [each.record.id for each in surprises(facts(*records))] == ["10"]


def test_the_headline_does_not_promise_what_was_not_found() -> None:
    assert "nothing has beaten" in headline(facts(record(0, 1.0, Verdict.ACCEPTED), record(1, 2.0, Verdict.REJECTED)))


@pytest.mark.parametrize(("trials", "megabytes"), [(200, 2.0), (1000, 5.0)])
def test_the_page_stays_small(trials: int, megabytes: float) -> None:
    text = page(many(trials))
    assert len(text.encode()) < megabytes * 1e6
    assert len(Page(text).marks) == trials + 1
    assert all(math.isfinite(float(y)) for y in re.findall(r'<use [^>]*y="([^"]*)"', text))
