"""The order of trials comes from numbers and from git's history, whatever the clocks of machines say."""

from __future__ import annotations

from pathlib import Path

from conftest import git
from hypothesis import given
from hypothesis import strategies as st

from autogit.config.model import Metric
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.ledger.order import ordered
from autogit.records import Record, Trial, Verdict

from .conftest import baseline, open_lab, propose, verdict


def accepted(id: str, commit: str, base: str) -> Record:
    return Record(Trial(id, commit, base, "T", "p", "o"), Verdict.ACCEPTED, "", closed="2020-01-01")


def lab_of(record: Record) -> str:
    return record.id.rpartition("/")[0]


def test_a_clock_that_goes_back_changes_nothing(ledger: GitLedger) -> None:
    baseline(ledger)
    for number, year in enumerate(("2026", "2024", "2025")):
        trial = propose(ledger, f"learning_rate = 0.{number + 2}\n")
        record = verdict(trial, Verdict.ACCEPTED)
        ledger.close(Record(trial, record.verdict, "", record.metrics, record.runs, closed=f"{year}-01-01"), "", [])
    assert [record.id for record in ledger.records()] == ["0", "1", "2", "3"]
    history = History(Metric(), ledger.records(), ledger.line)
    assert history.best() is history["3"]


def test_the_incumbent_is_what_main_is_at_also_after_a_rewind(ledger: GitLedger, repository: Path) -> None:
    start = baseline(ledger)
    first = propose(ledger)
    ledger.close(verdict(first, Verdict.ACCEPTED), "", [])
    ledger.close(verdict(propose(ledger, "learning_rate = 0.3\n"), Verdict.ACCEPTED), "", [])
    history = History(Metric(), ledger.records(), ledger.line)
    assert history.best() is history["2"]
    git(repository, "reset", "-q", "--hard", first.commit)
    assert history.best() is history["1"]
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    assert history.best() is history["1"]
    git(repository, "reset", "-q", "--hard", start.trial.commit)
    assert history.best() is history["0"]
    again = open_lab(repository)
    assert History(Metric(), again.records(), again.line).best() is not None


def test_a_trial_comes_after_what_it_starts_from_in_another_lab() -> None:
    mine = [accepted("0", "a", "a"), accepted("1", "b", "a"), accepted("9", "d", "c")]
    theirs = [accepted("h/0", "c", "b"), accepted("h/1", "e", "d")]
    assert [r.id for r in ordered([*theirs, *mine])] == ["0", "1", "h/0", "9", "h/1"]


@given(
    st.lists(st.tuples(st.sampled_from(["", "h/", "k/"]), st.integers(0, 8), st.integers(0, 8)), max_size=12), st.data()
)
def test_any_order_of_reading_gives_one_order(drawn: list[tuple[str, int, int]], data: st.DataObject) -> None:
    """Bases are drawn freely, rings among them: still every record once, and each lab's in order of its numbers."""
    numbers: dict[str, int] = {}
    records = []
    for lab, commit, base in drawn:
        numbers[lab] = numbers.get(lab, -1) + 1
        records.append(accepted(f"{lab}{numbers[lab]}", f"c{commit}", f"c{base}"))
    found = ordered(data.draw(st.permutations(records)))
    assert found == ordered(records) and sorted(r.id for r in found) == sorted(r.id for r in records)
    for lab in {lab_of(record) for record in records}:
        assert [r.trial.number for r in found if lab_of(r) == lab] == sorted(
            r.trial.number for r in found if lab_of(r) == lab
        )
