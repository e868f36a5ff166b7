"""Changes that do nothing, sent through real loops: the rule may be fooled by them, `main` never is."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from conftest import git
from toy import TRAIN, make_toy, tags

from autogit import Lab
from autogit.cli import cli
from autogit.records import Verdict

LUCK = "random.Random(len(open({0!r}).read())).gauss(0, 0.1); open({0!r}, 'a').write('.')"
"""Another result for the same code and seed each time, as on a GPU; the same series in each test."""


def test_null_trials_are_judged_and_never_merged(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    luck = LUCK.format(str(tmp_path / "runs"))
    train = TRAIN.replace("random.Random(seed).gauss(0, 0.01)", luck)
    folder = make_toy(tmp_path / "lab", train, '[accept]\nrule = "greedy"')
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), "loop", "-n", "14", "--null-rate", "0.7"])
    assert done.exit_code == 0, done.output
    lab = Lab.open(folder)
    nulls = [record for record in lab.trials() if record.trial.is_null]
    assert 4 < len(nulls) < 14
    assert all(record.verdict is Verdict.REJECTED and f"dead/{record.id}" in tags(folder) for record in nulls)
    assert all(git(folder, "diff", record.trial.base, record.trial.ref) == "" for record in nulls)
    assert {record.trial.commit for record in nulls}.isdisjoint(git(folder, "rev-list", "main").split())

    fooled = [record for record in nulls if "the rule was fooled" in record.reason]
    assert 0 < len(fooled) < len(nulls), "greedy keeps about every second one"
    _, found = lab.fooled()
    assert (found.trials, found.fooled) == (len(nulls), len(fooled))
    assert found.low < len(fooled) / len(nulls) < found.high
    words = f"fooled {len(fooled)} of {len(nulls)} times"
    for command in ("trends", "doctor"):
        assert words in CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), command]).output
    assert all(trend.operator != "null" for trend in lab.trends()), "nobody learns from them"


def test_without_the_option_there_are_none_and_equal_results_are_no_progress(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    Lab.open(folder).loop(trials=2)
    assert not any(record.trial.is_null for record in Lab.open(folder).trials())
    Lab.open(folder).loop(trials=1, null_rate=0.999)
    null = Lab.open(folder).trials()[-1]
    assert null.trial.is_null and "equals that of" in null.reason
