"""The best of a loop is scored once more, on the audit data: real loops on a toy with an evaluator."""

from __future__ import annotations

import _thread
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import git
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.errors import ConfigError
from autogit.events import Closed, Event, Notice
from autogit.records import Record
from autogit.trial.audit import RUNS, audit, describe

EVALUATE = """\
import sys

loss = float(open(f"{sys.argv[1]}/loss").read())
if "--audit" in sys.argv:
    loss += 1
    if loss < LEAST:
        sys.exit("refused: too good")
print(f"val_loss: {loss}")
"""
MORE = """
[evaluate]
command = "{python} evaluate.py {out}"
audit = "{python} evaluate.py {out} --audit"
[accept]
seeds = 3
"""


def make_audited(folder: Path, least: float = 0.0) -> Path:
    """The toy, whose loss is left in a file that a protected script reads: one more on the audit data."""
    make_toy(folder, TRAIN.replace('print(f"val_loss: {', 'open(sys.argv[2] + "/loss", "w").write(f"{'), more=MORE)
    config = (folder / ".autoresearch.toml").read_text()
    (folder / ".autoresearch.toml").write_text(config.replace("train.py {seed}", "train.py {seed} {out}"))
    (folder / "evaluate.py").write_text(EVALUATE.replace("LEAST", str(least)))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "An evaluator")
    return folder


def checks(record: Record | None) -> int:
    assert record is not None
    return sum("audited" in check for check in record.checks)


def test_the_best_and_the_baseline_are_scored_once_on_other_data(tmp_path: Path) -> None:
    folder = make_audited(tmp_path / "lab")
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), "loop", "-n", "6"])
    lab = Lab.open(folder)
    best, baseline = lab.best(), lab.trial(0)
    assert best is not None and best.id != "0" and checks(best) == checks(baseline) == 1
    assert "metrics" not in baseline.environment, "an evaluator vouches for them"
    found, base = audit(best), audit(baseline)
    assert found is not None and base is not None and found.value is not None
    runs = best.runs[-RUNS:]
    assert found.chosen == pytest.approx(sum(run.metrics["val_loss"] for run in runs) / len(runs))
    assert found.value == pytest.approx(found.chosen + 1)
    there, here = (base.value or 0) - found.value, base.chosen - found.chosen
    words = f"over the baseline {100 * there / (base.value or 1):+.2f}% and {100 * here / base.chosen:+.2f}%"
    assert words in describe(best, lab.history)
    shown = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), "best"])
    assert f"audit: {describe(best, lab.history)}" in done.output and describe(best, lab.history) in shown.output
    assert "audit_value = " in git(folder, "notes", "show", best.trial.ref)
    assert sum(map(checks, lab.trials())) == 2, "nothing else was looked at"

    Lab.open(folder).loop(trials=1, target=0.0)
    assert all(checks(record) <= 1 for record in Lab.open(folder).trials())


def test_what_an_interrupted_loop_left_out_the_next_one_does(tmp_path: Path) -> None:
    folder = make_audited(tmp_path / "lab")

    def interrupt(event: Event) -> None:
        if isinstance(event, Closed) and event.record.accepted and event.record.id != "0":
            _thread.interrupt_main()

    ended = Lab.open(folder).loop(trials=12, observer=interrupt)
    best = Lab.open(folder).best()
    assert ended.interrupted and ended.accepted and checks(best) == 0
    for _ in range(2):
        Lab.open(folder).loop(trials=12, target=9.0)
        assert Lab.open(folder).best().id == best.id and checks(Lab.open(folder).best()) == 1  # type: ignore[union-attr]


def test_an_audit_may_refuse_and_output_may_be_gone(tmp_path: Path) -> None:
    folder = make_audited(tmp_path / "lab", least=9.0)
    words: list[str] = []
    Lab.open(folder).loop(trials=1, target=9.0)
    baseline = Lab.open(folder).trial(0)
    assert describe(baseline, Lab.open(folder).history) == "refused: too good"

    folder = make_audited(tmp_path / "other")
    lab = Lab.open(folder)

    def clear(event: Event) -> None:
        if isinstance(event, Closed):
            shutil.rmtree(lab.ledger.private / "out", ignore_errors=True)
        if isinstance(event, Notice):
            words.append(event.text)

    lab.loop(trials=1, target=9.0, observer=clear)
    assert checks(lab.trial(0)) == 0 and any("exp/0 cannot be audited" in word for word in words)


def test_an_audit_needs_what_it_is_compared_with(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more='[evaluate]\naudit = "x"')
    with pytest.raises(ConfigError, match=r"evaluate\.audit"):
        Lab.open(folder)
