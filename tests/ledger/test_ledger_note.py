from __future__ import annotations

import math
import tomllib
from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from autogit.ledger import attachments, ideas, message, note, proposals, tables
from autogit.ledger import record as record_table
from autogit.ledger import runs as open_runs
from autogit.records import Curve, Record, Run, RunStatus, Trial, Usage, Verdict

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(1 << 62), 1 << 62)
SECONDS = st.floats(0, 1e9)
SCALARS = st.booleans() | WHOLE | NUMBERS | TEXT
METRICS = st.dictionaries(TEXT, NUMBERS, max_size=3)
RUNS = st.builds(Run, WHOLE, st.sampled_from(RunStatus), SECONDS, st.none() | WHOLE, METRICS, reason=TEXT)
IDS = st.from_regex(r"([a-z]{1,3}/)?[0-9]{1,4}", fullmatch=True)
TRIALS = st.builds(
    Trial, IDS, st.just("c" * 40), TEXT, TEXT, TEXT, TEXT,
    rationale=TEXT, expected=TEXT, parameters=st.dictionaries(TEXT, SCALARS | st.lists(SCALARS).map(tuple), max_size=3),
    parents=st.lists(IDS, max_size=2).map(tuple), idea=TEXT,
    usage=st.none() | st.builds(Usage, WHOLE, WHOLE, SECONDS, SECONDS),
)  # fmt: skip
RECORDS = st.builds(
    Record, TRIALS, st.sampled_from(Verdict), TEXT, METRICS, st.lists(RUNS, max_size=3).map(tuple),
    st.dictionaries(TEXT, SCALARS, max_size=3), TEXT, st.sampled_from(("", "2026-01-01T01:02:03.004+00:00")), METRICS,
    st.lists(st.dictionaries(TEXT, SCALARS, min_size=1, max_size=2), max_size=2).map(tuple),
)  # fmt: skip


@given(st.lists(RECORDS, max_size=3))
def test_what_is_written_is_read_again(records: list[Record]) -> None:
    assert note.parse(note.write("", records), "c" * 40) == records


@given(RECORDS)
def test_a_toml_library_reads_the_same(record: Record) -> None:
    text = record_table.format(record)
    assert record_table.from_table(tomllib.loads(text)["trial"][0], "c" * 40) == record
    assert tables.canonical(text) == tomllib.loads(text)["trial"]


@given(st.lists(RECORDS, min_size=1, max_size=2, unique_by=lambda r: r.id), TEXT, TEXT)
def test_a_persons_words_survive_any_rewriting(records: list[Record], before: str, after: str) -> None:
    block = note.write("", records)
    text = f"{before}\n{block}{after}\n"
    assert note.words(note.write(text, records[:1])) == f"{before}\n{after}\n"
    assert note.words(note.write(text, [])) == f"{before}\n{after}\n"


ALIKE = st.builds(
    Record, st.sampled_from("01").map(lambda id: Trial(id, "c", "b", "T", "p", "o")), st.sampled_from(Verdict),
    st.sampled_from(("", "why")), runs=st.lists(st.builds(Run, st.integers(0, 3), st.just(RunStatus.COMPLETED),
    st.just(1.0)), max_size=3).map(tuple), checks=st.lists(st.dictionaries(st.just("seed"), st.integers(0, 3)),
    max_size=2).map(tuple), closed=st.sampled_from(("2026-01-01", "2026-01-02")),
)  # fmt: skip
"""Few ids, so that both labs tell of the same trials; few runs, so that some are the same too."""
SIDES = st.lists(ALIKE, max_size=2, unique_by=lambda r: r.id)


@settings(max_examples=50, deadline=None)
@given(SIDES, SIDES, SIDES)
def test_joining_loses_nothing_and_can_be_repeated(
    ours: list[Record], theirs: list[Record], base: list[Record]
) -> None:
    before = note.write("", base)
    both = note.join(note.write("mine\n", ours), note.write("yours\n", theirs), before)
    event("both tell of one trial" if {r.id for r in ours} & {r.id for r in theirs} else "nothing is shared")
    joined = {r.id: r for r in note.parse(both, "")}
    assert joined.keys() == {r.id for r in (*ours, *theirs)}
    assert "mine" in both and "yours" in both
    assert note.parse(note.join(both, note.write("yours\n", theirs), before), "") == list(joined.values())
    for record in (*ours, *theirs):
        assert set(map(note._run_key, record.runs)) <= set(map(note._run_key, joined[record.id].runs))
        assert all(check in joined[record.id].checks for check in record.checks)


def test_other_toml_between_the_fences_is_read_too() -> None:
    record = Record(Trial("1", "c", "b", "T", "p", "o"), Verdict.REJECTED, "r", {"val_loss": 1.5})
    text = note.write("", [record]).replace("val_loss = 1.5", "val_loss = 1.5 # a person's remark")
    assert note.parse(text, "c") == [record]


def test_what_is_no_record_is_named_left_out_and_kept() -> None:
    good, other = (Record(Trial(id, "c", "b", "T", "p", "o"), Verdict.REJECTED, "r") for id in "12")
    text = note.write("", [good, other]).replace('id = "2"', "id = 2")
    records, (bad,) = note.read(text, "c")
    assert records == [good] and "id = 2" in bad.why
    again = note.write(text, [replace(good, reason="more")])
    assert [r.reason for r in note.parse(again, "c")] == ["more"] and "id = 2" in again
    broken = text.replace("verdict =", "verdict", 1)
    assert note.parse(broken, "c") == [] and all(
        "TOML" in one.why or "id" in one.why for one in note.read(broken, "c")[1]
    )


@pytest.mark.parametrize(
    ("line", "forged"),
    [
        ('closed = "2026-01-01"', "closed = 99999"),
        ('closed = "2026-01-01"', 'closed = "soon"'),
        ('id = "1"', 'id = "abc"'),
        ('id = "1"', 'id = "../../../heads/main"'),
        ('id = "1"', f'id = "{"9" * 400}"'),
        ('verdict = "rejected"', 'verdict = "best"'),
        ("val_loss = 1.5", "val_loss = nan"),
        ("val_loss = 1.5", "val_loss = -inf"),
        ("val_loss = 1.5", 'val_loss = "low"'),
        ("val_loss = 1.5", f"val_loss = {'9' * 5000}"),
        ("seed = 1", "seed = 1.5"),
        ("seconds = 1.0", "seconds = nan"),
        ('title = "T"', f'title = "{"x" * (record_table.MAX_TEXT + 1)}"'),
        ('reason = "r"', "reason = [[[[1]]]]"),
        ('parents = ["0"]', "parents = 7"),
    ],
)
def test_a_forged_record_is_left_out(line: str, forged: str) -> None:
    run = Run(1, RunStatus.COMPLETED, 1.0)
    trial = Trial("1", "c", "b", "T", "p", "o", parents=("0",))
    record = Record(trial, Verdict.REJECTED, "r", {"val_loss": 1.5}, (run,), closed="2026-01-01")
    text = note.write("", [record])
    assert line in text and note.parse(text, "c") == [record]
    records, bad = note.read(text.replace(line, forged, 1), "c")
    assert records == [] and len(bad) == 1


SHREDS = st.text() | st.sampled_from(
    ["[[trial]]", "id = ", '"1"', "\n", "[trial.metrics]", "[[trial.runs]]", "# autogit", "# end", "nan", "1e999", "[",
     "{", "= ", "x.y = 1", "9" * 400, '"\\ud800"', "'" * 3, '"' * 3, "[[trial.runs.metrics]]", "closed = 99999", "true"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(RECORDS, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), SHREDS), min_size=1, max_size=6))
def test_no_note_ends_a_reading(record: Record, cuts: list[tuple[int, int, str]]) -> None:
    text = note.write("mine\n", [record, replace(record, trial=replace(record.trial, id="77"))])
    for place, length, shred in cuts:
        text = text[: place % (len(text) + 1)] + shred + text[place % (len(text) + 1) + length :]
    records, _ = note.read(text, "c" * 40)
    for one in records:
        assert all(math.isfinite(value) for value in one.metrics.values())
        assert all(math.isfinite(value) for run in one.runs for value in (run.seconds, *run.metrics.values()))
        note.parse(note.write(text, records), "c" * 40)
    note.join(note.write("", [record]), text, text)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(RECORDS, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), SHREDS), min_size=1, max_size=6))
@pytest.mark.timeout(900)
def test_no_note_of_five_thousand_ends_a_reading(record: Record, cuts: list[tuple[int, int, str]]) -> None:
    test_no_note_ends_a_reading.hypothesis.inner_test(record, cuts)  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(st.text() | st.lists(SHREDS | st.sampled_from(['{"seed": 1', '"metric"', '"steps": [1]', "}"])).map("".join))
def test_no_curve_log_or_text_ends_a_reading(text: str) -> None:
    for curve in attachments.parse_curves(text):
        assert len(curve.steps) == len(curve.values) and all(map(math.isfinite, curve.values))
    attachments.join_curves(attachments.format({"1": text}), attachments.format({"1": text}))
    attachments.parse(text)
    proposals.parse({"-@a": text}, "")
    ideas.parse({"a": text})
    open_runs.parse({"c@1": text}, "c")
    message.parse(f"Title\n\nAutogit-Trial: 1\nAutogit-Usage: {text}\nAutogit-Parameters: {text}", "c")


def test_infinite_numbers_are_kept_too() -> None:
    record = Record(Trial("1", "c", "b", "T", "p", "o"), Verdict.REJECTED, "r", statistics={"z": float("inf")})
    assert note.parse(note.write("", [record]), "c") == [record]


@given(st.dictionaries(st.from_regex(r"[0-9]{1,3}", fullmatch=True), TEXT, max_size=3), TEXT)
def test_logs_of_several_trials_share_a_note(parts: dict[str, str], other: str) -> None:
    text = attachments.format(parts)
    assert attachments.parse(text) == parts
    assert attachments.join(text, text) == text


def test_logs_and_curves_are_bounded() -> None:
    log = attachments.bounded("é" * attachments.LOG_BYTES)
    assert len(log.encode()) < attachments.LOG_BYTES + 100 and "bytes left out" in log
    long = Curve(1, "loss", tuple(range(5000)), tuple(map(float, range(5000))))
    (kept,) = attachments.parse_curves(attachments.format_curves([long]))
    assert len(kept.steps) == attachments.CURVE_POINTS and kept.steps[-1] == 4999 and kept.steps[0] == 0


@given(RECORDS, st.booleans())
def test_of_two_verdicts_the_newer_one_stands_whatever_the_clocks_say(record: Record, back: bool) -> None:
    first = replace(record, closed="2026-01-02")
    later = replace(first, closed="2026-01-01" if back else "2026-01-03", reason="again")
    base = note.write("", [first])
    more = replace(first, runs=(*first.runs, Run(-1, RunStatus.COMPLETED, 1.0)))
    for ours, theirs in ((more, later), (later, more)):
        (kept,) = note.parse(note.join(note.write("", [ours]), note.write("", [theirs]), base), "c" * 40)
        assert kept.reason == "again" and set(map(note._run_key, kept.runs)) == set(map(note._run_key, more.runs))
