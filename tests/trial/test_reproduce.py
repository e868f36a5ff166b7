"""Running a trial again: identical, within noise, or different, and then what has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import git
from hypothesis import given
from hypothesis import strategies as st
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.errors import UnknownTrialError, WorkspaceError
from autogit.records import Run, RunStatus
from autogit.trial.reproduce import Change, Outcome, changed, compare, varies

RUN = Run(1, RunStatus.COMPLETED, 2.0, 10, {"val_loss": 1.0, "loss": 1.1, "train_seconds": 2.0})
SCALARS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4) | st.booleans(), max_size=5)


def again(status: RunStatus = RunStatus.COMPLETED, **metrics: float) -> Run:
    return replace(RUN, status=status, seconds=9.0, metrics={**RUN.metrics, **metrics})


@pytest.mark.parametrize(
    ("run", "noise", "outcome", "names"),
    [
        (again(train_seconds=7.0), None, Outcome.IDENTICAL, ()),
        (again(val_loss=1.01), 0.01, Outcome.WITHIN_NOISE, ("val_loss",)),
        (again(val_loss=0.99), 0.01, Outcome.WITHIN_NOISE, ("val_loss",)),
        (again(val_loss=1.03), 0.01, Outcome.DIFFERENT, ("val_loss",)),
        (again(val_loss=1.01), None, Outcome.DIFFERENT, ("val_loss",)),
        (again(val_loss=1.01), 0.0, Outcome.DIFFERENT, ("val_loss",)),
        (again(status=RunStatus.CRASHED), 1.0, Outcome.DIFFERENT, ()),
        (replace(RUN, step=9), None, Outcome.WITHIN_NOISE, ()),
    ],
)
def test_outcomes(run: Run, noise: float | None, outcome: Outcome, names: tuple[str, ...]) -> None:
    repeat = compare(RUN, run, "val_loss", noise)
    assert (repeat.outcome, repeat.metrics) == (outcome, names)


def test_a_measured_speed_counts_where_it_is_the_goal() -> None:
    assert varies("throughput_tokens_per_sec") and varies("peak_memory_mb") and not varies("steps")
    assert compare(RUN, again(train_seconds=7.0), "train_seconds", None).outcome is Outcome.DIFFERENT


@given(SCALARS, SCALARS)
def test_the_changes_lead_from_one_environment_to_the_other(
    recorded: dict[str, object], now: dict[str, object]
) -> None:
    found = changed(recorded, now)  # type: ignore[arg-type]
    kept = {name: value for name, value in recorded.items() if name not in {c.name for c in found}}
    assert kept | {c.name: c.now for c in found if c.now is not None} == now
    assert not changed(now, now)  # type: ignore[arg-type]


def test_a_trial_gives_the_same_again_and_kept_output_stays(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=2)
    lab = Lab.open(folder)
    out = lab.ledger.private / "out" / "0" / "1" / "checkpoint"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("weights")
    seeds = [run.seed for run in lab.trial(0).runs]
    found = lab.reproduce(0, seeds)
    assert found.outcome is Outcome.IDENTICAL and not found.environment
    assert [repeat.again.seed for repeat in found.repeats] == seeds
    assert lab.reproduce("exp/1").outcome is Outcome.IDENTICAL
    assert out.read_text() == "weights"
    assert not (lab.ledger.private / "again").exists()
    with pytest.raises(WorkspaceError, match="no run with seed 77"):
        lab.reproduce(0, [77])
    with pytest.raises(UnknownTrialError):
        lab.reproduce(9)


def test_data_that_changed_is_named(tmp_path: Path) -> None:
    train = TRAIN.replace("dropout / 10", "dropout / 10 + float(open('numbers.txt').read())")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / ".gitignore").write_text("numbers.txt\n")
    (tmp_path / "lab" / "numbers.txt").write_text("0.0")
    folder = make_toy(tmp_path / "lab", train)
    config = (folder / ".autoresearch.toml").read_text().replace("[metric]", 'data = ["numbers.txt"]\n[metric]')
    (folder / ".autoresearch.toml").write_text(config)
    git(folder, "commit", "-qam", "Read numbers")
    Lab.open(folder).loop(trials=1)
    (folder / "numbers.txt").write_text("9.0")
    found = Lab.open(folder).reproduce(0)
    assert found.outcome is Outcome.DIFFERENT
    assert [change.name for change in found.environment] == ["data"]


def test_the_configuration_and_threads_of_its_time_are_used(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more="[limits]\ntrials = 1")
    Lab.open(folder).loop()
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text().replace("train.py {seed}", "train.py 99"))
    found = Lab.open(folder).reproduce(0)
    assert found.outcome is Outcome.IDENTICAL and not found.environment


def test_verify_measures_anew_and_notes_it(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=4)
    lab = Lab.open(folder)
    found = list(lab.verify(everything=True))
    assert [one.reproduction.trial for one in found] == [record.id for record in lab.trials()]
    for one, record in zip(found, Lab.open(folder).trials(), strict=True):
        assert record.checks[-1]["outcome"] == "identical"
        assert record.checks[-1]["fresh_value"] == pytest.approx(one.value)
        assert not set(one.seeds) & {run.seed for run in record.runs}
        assert (one.gain is None) == record.trial.is_baseline
    first = list(lab.verify())
    assert {one.reproduction.trial for one in first} == {r.id for r in lab.trials() if r.accepted}
    assert not set(first[0].seeds) & set(found[0].seeds), "seeds are fresh every time"


def test_changes_are_values() -> None:
    assert changed({"torch": "2.1", "threads": 2}, {"torch": "2.2", "threads": 2}) == (Change("torch", "2.1", "2.2"),)


def test_commands_that_only_a_sync_has_brought_run_by_consent(tmp_path: Path) -> None:
    """Another lab's record names its own configuration, and so its own command; nobody here has seen it."""
    theirs = make_toy(tmp_path / "theirs")
    mark = tmp_path / "ran"
    configured = theirs / ".autoresearch.toml"
    configured.write_text(configured.read_text().replace('"{python} train.py', f'"touch {mark} && {{python}} train.py'))
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    Lab.open(theirs).loop(trials=1)
    Lab.open(theirs).ledger.sync(str(tmp_path / "remote.git"))
    mark.unlink()
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), "ours")
    Lab.open(tmp_path / "ours").ledger.sync("origin")
    lab = Lab.open(tmp_path / "ours")
    asked: list[str] = []
    with pytest.raises(WorkspaceError, match=r"never had; it runs: touch .*autogit reproduce 0 --yes"):
        lab.reproduce(0)
    with pytest.raises(WorkspaceError, match="it runs: touch"):
        lab.reproduce(0, consent=lambda what: bool(asked.append(what)))
    assert str(mark) in asked[0] and not mark.exists(), "nothing ran unasked"
    assert lab.reproduce(0, consent=lambda what: True).repeats[0].outcome is not Outcome.DIFFERENT
    assert mark.exists(), "what was agreed to is what runs"
