"""What is kept of the runs' output."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from autogit.config.model import Checkpoints, Metric
from autogit.events import Closed, Opened
from autogit.history import History
from autogit.records import Record, Trial, Verdict
from autogit.trial.retention import Retention, chosen, kept, size


def a_trial(number: int) -> Trial:
    proposer = "baseline" if number == 0 else "test"
    return Trial(str(number), f"{number:040x}", f"{max(0, number - 1):040x}", f"Trial {number}", proposer, proposer)


def a_record(number: int, value: float | None, accepted: bool = False) -> Record:
    metrics = {} if value is None else {"val_loss": value}
    return Record(a_trial(number), Verdict.ACCEPTED if accepted else Verdict.REJECTED, "", metrics)


values = st.one_of(st.none(), st.floats(0.1, 10))
labs = st.lists(st.tuples(values, st.booleans(), st.integers(0, 3 * 10**9)), min_size=1, max_size=12)


@given(labs, st.integers(0, 4), st.floats(0.5, 8))
def test_the_incumbent_is_kept_and_the_limits_hold(
    lab: list[tuple[float | None, bool, int]], keep: int, max_gb: float
) -> None:
    records = [a_record(n, value, accepted) for n, (value, accepted, _) in enumerate(lab)]
    history = History(Metric(), records)
    sizes = {record.id: size for record, (_, _, size) in zip(records, lab, strict=True)}
    kept_ids = chosen(history, sizes, Checkpoints(keep, max_gb))
    incumbent = history.best()
    others = kept_ids - ({incumbent.id} if incumbent else set())
    assert incumbent is None or incumbent.id in kept_ids
    assert len(others) <= keep
    assert sum(sizes[i] for i in others) <= max(0.0, max_gb * 1e9 - (sizes[incumbent.id] if incumbent else 0))
    values = {record.id: record.metrics.get("val_loss") for record in records}
    for left_out in sizes.keys() - kept_ids:
        better = [i for i in others if values[left_out] is not None and values[left_out] < (values[i] or 0)]
        room = max_gb * 1e9 - sum(sizes[i] for i in kept_ids) + sum(sizes[i] for i in better)
        assert not better or sizes[left_out] > room or not sizes[left_out] or len(better) == 0


def test_output_beyond_the_rule_is_deleted_and_that_of_open_trials_is_not(tmp_path: Path) -> None:
    for trial in ("0", "1", "2", "3", "9"):
        (tmp_path / "out" / trial / "1").mkdir(parents=True)
        (tmp_path / "out" / trial / "1" / "model.pt").write_bytes(b"0" * 100)
    history = History(Metric(), [a_record(0, 1.0, True), a_record(1, 3.0), a_record(2, 2.0), a_record(3, 4.0)])
    retention = Retention(tmp_path, history, Checkpoints(keep=1))
    retention.tell(Opened(a_trial(9), 1))
    retention.tell(Closed(a_record(3, 4.0), 0, None))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0", "2", "9"]
    assert kept(tmp_path, "2") == [tmp_path / "out" / "2" / "1"] and kept(tmp_path, "1") == []


def test_a_smaller_one_goes_in_if_a_better_one_does_not_fit() -> None:
    history = History(Metric(), [a_record(0, 5.0, True), a_record(1, 1.0), a_record(2, 2.0), a_record(3, 3.0)])
    sizes = {"0": 10**9, "1": 2 * 10**9, "2": 0, "3": 10**9}
    assert chosen(history, sizes, Checkpoints(5, 2.0)) == {"0", "3"}, "1 is too large, 2 is empty"
    assert chosen(history, sizes, Checkpoints(5, 3.0)) == {"0", "1"}
    assert chosen(history, sizes, Checkpoints(0, 9.0)) == {"0"}


def test_named_labs_lie_one_folder_deeper(tmp_path: Path) -> None:
    for name in ("1", "h200/7", "h200/8"):
        (tmp_path / "out" / name / "1").mkdir(parents=True)
        (tmp_path / "out" / name / "1" / "model.pt").write_bytes(b"0" * 7)
    retention = Retention(tmp_path, History(Metric(), [a_record(0, 1.0, True)]), Checkpoints(keep=0))
    retention.tell(Opened(Trial("h200/8", "c", "c", "", "test", "test"), 0))
    retention.tell(Closed(a_record(3, 4.0), 0, None))
    assert [path.name for path in (tmp_path / "out" / "h200").iterdir()] == ["8"]
    assert not (tmp_path / "out" / "1").exists() and size(tmp_path / "out") == 7


def test_links_count_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"0" * 9)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert size(tmp_path) == 9
