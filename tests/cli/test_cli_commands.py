"""Every command on a small lab, started as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import git
from toy import TRAIN, make_toy, tags

from autogit import Lab
from autogit.cli import cli


def run(folder: Path, *arguments: str, input: str | None = None) -> Result:
    return CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), *arguments], input=input)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab after a loop of six trials; tests only read it."""
    folder = make_toy(tmp_path_factory.mktemp("searched") / "lab")
    done = run(folder, "loop", "-n", "6")
    assert done.exit_code == 0, done.output
    return folder


def test_log_lists_every_trial_and_its_filters_divide_them(searched: Path) -> None:
    everything, accepted, dead = (
        json.loads(run(searched, "log", *flags, "--json").output) for flags in ([], ["--accepted"], ["--dead"])
    )
    assert [trial["id"] for trial in everything] == [str(n) for n in range(7)]
    assert {t["verdict"] for t in accepted} == {"accepted"} and "accepted" not in {t["verdict"] for t in dead}
    assert len(accepted) + len(dead) == 7
    text = run(searched, "log").output
    assert len(text.splitlines()) == 9 and text.startswith("trial  verdict")
    assert "val_loss (self-reported)" in text.splitlines()[-1], "nobody has measured it"
    both = run(searched, "log", "--accepted", "--dead")
    assert both.exit_code == 2 and "leave nothing" in both.output


def test_top_is_sorted_and_best_is_the_tip_of_main(searched: Path) -> None:
    gains = [trial["improvement_percent"] for trial in json.loads(run(searched, "top", "-n", "3", "--json").output)]
    assert gains == sorted(gains, reverse=True) and len(gains) == 3
    best = json.loads(run(searched, "best", "--json").output)
    assert best["trial"]["commit"] == git(searched, "rev-parse", "main")
    assert best["improvement_percent"] > 0


def test_show_has_record_diff_log_and_reproduction(searched: Path) -> None:
    best = json.loads(run(searched, "best", "--json").output)
    text = run(searched, "show", best["id"]).output
    expected = ("verdict", "proposed by", "git checkout exp/", "--- a/train.py", "log", "val_loss:", best["reproduce"])
    for part in expected:
        assert part in text
    told = json.loads(run(searched, "show", f"exp/{best['id']}", "--json").output)
    assert told["diff"] == Lab.open(searched).diff(best["id"]) and "val_loss" in told["log"]


def test_an_unknown_trial_is_one_line_and_exit_1(searched: Path) -> None:
    done = run(searched, "show", "99")
    assert done.exit_code == 1 and done.output.count("\n") == 1
    assert "no trial 99" in done.output


def test_trends_count_each_kind_of_move(searched: Path) -> None:
    shown = json.loads(run(searched, "trends", "--json").output)
    trends, beliefs = shown["trends"], shown["beliefs"]
    tried = [record.trial for record in Lab.open(searched).trials() if not record.trial.is_baseline]
    assert sum(trend["attempts"] for trend in trends) == sum(len(trial.parts) for trial in tried) >= 6
    assert all(0 <= trend["success_rate"] <= 1 for trend in trends)
    assert {belief["proposer"] for belief in beliefs} == {trend["proposer"] for trend in trends}
    assert all(0 < belief["probability"] < 1 and belief["rate"] > 0 for belief in beliefs)
    text = run(searched, "trends").output
    assert "success" not in text.splitlines()[0], "headings are for people"
    assert "believed of the next trial" in text


def test_tables_fit_the_terminal(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    for command in (["log"], ["log", "--dead"], ["top"], ["trends"]):
        assert max(map(len, run(searched, *command).output.splitlines())) <= 72, command


def test_a_dry_run_shows_diffs_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    before = git(folder, "for-each-ref")
    shown = run(folder, "loop", "--dry-run").output
    assert shown.count("diff --git a/train.py") == 5
    assert len({line for line in shown.splitlines() if line[:2] in ("1.", "2.", "3.", "4.", "5.")}) == 5
    assert git(folder, "for-each-ref") == before
    first = json.loads(run(folder, "loop", "--dry-run", "--json").output)[0]["title"]
    told = [json.loads(line) for line in run(folder, "loop", "-n", "1", "--json").output.splitlines()]
    assert [each.get("id", each.get("ended")) for each in told] == ["0", "1", "the limit of trials is reached"]
    assert told[1]["trial"]["title"] == first, "before the baseline, too"
    shown = Lab.open(folder).preview(1)[0].title
    Lab.open(folder).loop(trials=1)
    assert Lab.open(folder).trial(2).trial.title == shown, "the loop then does what was shown"


def test_undo_asks_and_then_reverts_as_a_trial_of_its_own(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    better = "--- a/train.py\n+++ b/train.py\n@@ -5,1 +5,1 @@\n-learning_rate = 0.1\n+learning_rate = 0.3\n"
    (tmp_path / "better.diff").write_text(better)
    assert "accepted" in run(folder, "try", str(tmp_path / "better.diff")).output
    start = git(folder, "rev-parse", "main")

    refused = run(folder, "undo", "1", input="n\n")
    assert refused.exit_code == 1 and "error: not done" in refused.output and git(folder, "rev-parse", "main") == start

    told = json.loads(run(folder, "undo", "1", "--yes", "--json").output)
    record = Lab.open(folder).trial(2)
    assert told["id"] == record.id and told["metrics"] == record.metrics
    assert record.accepted and record.trial.parents == ("1",) and record.trial.operator == "undo"
    before = Lab.open(folder).trial(1)
    assert record.metrics["val_loss"] > before.metrics["val_loss"], "worse, and taken back all the same"
    assert git(folder, "show", "main:train.py") == git(folder, "show", f"{start}~1:train.py")
    assert git(folder, "rev-parse", "main~1") == start, "nothing was erased"
    assert (folder / "train.py").read_text().count("learning_rate = 0.1") == 1

    dead = run(folder, "undo", "0", "--yes")
    assert dead.exit_code == 1 and "no accepted change" in dead.output


def test_ablate_tells_which_wins_still_matter(tmp_path: Path) -> None:
    crutch = TRAIN.replace('print(f"val_loss', "crutch = 'crutch' in globals() and width == 8\nprint(f\"val_loss")
    train = crutch.replace("noise:.6f}", "noise - crutch / 20:.6f}")
    folder = make_toy(tmp_path / "lab", train, "[accept]\nmargin = 1.0")
    changes = {
        "a crutch for narrow models": "@@ -7,1 +7,2 @@\n dropout = 0.5\n+crutch = True\n",
        "faster": "@@ -5,1 +5,1 @@\n-learning_rate = 0.1\n+learning_rate = 0.2\n",
        "faster still": "@@ -5,1 +5,1 @@\n-learning_rate = 0.2\n+learning_rate = 0.3\n",
        "wider": "@@ -6,1 +6,1 @@\n-width = 8\n+width = 10_000\n",
    }
    for title, hunk in changes.items():
        (tmp_path / "change.diff").write_text(f"--- a/train.py\n+++ b/train.py\n{hunk}")
        done = run(folder, "try", str(tmp_path / "change.diff"), "--title", title)
        assert " accepted" in done.output, f"{title}: {done.output}"
    found = json.loads(run(folder, "ablate", "--json").output)
    assert {one["title"]: one["outcome"] for one in found} == {
        "a crutch for narrow models": "taken back",
        "faster": "later changes build on it",
        "faster still": "later changes build on it",
        "wider": "still matters",
    }
    assert "crutch = True" not in git(folder, "show", "main:train.py")
    assert "3 accepted changes: " in run(folder, "ablate").output, "what was taken back is questioned no more"


def test_reset_keeps_the_old_lab_and_back_returns_to_it(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    git(folder, "notes", "add", "-m", "my own words", "main")
    run(folder, "loop", "-n", "2")
    old, tip = Lab.open(folder).trials(), git(folder, "rev-parse", "main")
    assert run(folder, "reset", input="n\n").exit_code == 1 and len(Lab.open(folder).trials()) == 3

    assert "3 trials are put away as lab 1" in run(folder, "reset", "--yes").output
    assert Lab.open(folder).trials() == [] and tags(folder) == []
    assert git(folder, "rev-parse", "main") == tip, "main stays"
    first = git(folder, "rev-list", "--max-parents=0", "main")
    assert git(folder, "notes", "show", first) == "my own words"

    run(folder, "loop", "-n", "1")
    new = Lab.open(folder).trials()
    assert [record.id for record in new] == ["0", "1"]
    back = json.loads(run(folder, "reset", "--back", "--yes", "--json").output)
    assert back == {"lab": "1", "put_away": 2, "trials": 3}
    assert Lab.open(folder).trials() == old
    assert "my own words" in git(folder, "notes", "show", first)
    run(folder, "reset", "--back", "--yes")
    assert Lab.open(folder).trials() == new, "and forth again"
    git(folder, "fsck", "--strict")


def test_reset_without_trials_says_so(tmp_path: Path) -> None:
    done = run(make_toy(tmp_path / "lab"), "reset", "--yes")
    assert done.exit_code == 1 and "no trials" in done.output


def test_doctor_is_content_with_a_good_lab_and_not_with_a_bad_one(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    good = run(folder, "doctor")
    assert good.exit_code == 0, good.output
    assert "learning_rate is 0.1 in train.py:5" in good.output

    text = (folder / ".autoresearch.toml").read_text()
    text = text.replace("{python}", "/nowhere/python").replace("width =", "wdith =")
    text = text.replace("[metric]", "gpus_per_run = 64\n[metric]")
    (folder / ".autoresearch.toml").write_text(text.replace("[sandbox]", "[limits]\ntrials = 3\n[sandbox]"))
    bad = run(folder, "doctor")
    assert bad.exit_code == 1
    assert "gpus_per_run = 64, but this machine shows" in bad.output
    assert "/nowhere/python" in bad.output and "wdith is not found" in bad.output
    states = {f["subject"]: f["state"] for f in json.loads(run(folder, "doctor", "--json").output)}
    assert states["command"] == "wrong" and states["git"] == "good"


def test_doctor_names_what_the_interpreter_lacks_and_patterns_without_a_match(tmp_path: Path) -> None:
    train = "import no_such_module_here\n" + (make_toy(tmp_path / "other") / "train.py").read_text()
    edits = 'edits = [{ find = "nowhere($X)", replace = "$X" }]'
    more = f'[[pattern]]\nname = "nothing"\ntitle = "t"\nsource = "s"\n{edits}'
    done = run(make_toy(tmp_path / "lab", train, more), "doctor")
    assert done.exit_code == 1
    assert "No module named 'no_such_module_here' (train.py:1); install it" in done.output
    assert "nothing matches nothing in the editable files" in done.output


def test_doctor_outside_of_any_lab_still_looks_at_the_machine(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor")
    assert done.exit_code == 1 and "autogit init" in done.output and "git version" in done.output


def test_commands_without_a_configuration_say_what_to_do_with_exit_2(tmp_path: Path) -> None:
    done = run(tmp_path, "log")
    assert done.exit_code == 2 and "autogit init" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "no such option '--bogus'; see: autogit --help"),
        (["lop"], "'loop'"),
        (["show"], "missing argument 'N'; see: autogit show --help"),
        (["top", "-n", "0"], "0 is not in the range x>=1; see: autogit top --help"),
        (["reset", "--number", "1"], "--number goes with --back; see: autogit reset --help"),
    ],
)  # fmt: skip
def test_a_misuse_is_one_line_that_says_where_to_look(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, arguments, prog_name="autogit")
    assert done.exit_code == 2 and done.output.startswith("error: ") and done.output.count("\n") == 1
    assert message in done.output


def test_every_command_has_help_with_an_example() -> None:
    for name, command in cli.commands.items():
        text = CliRunner().invoke(cli, [name, "--help"]).output
        assert "Example:" in text, name
        assert (command.help or "").strip(), name


def test_everything_but_what_is_a_text_or_a_protocol_itself_has_json() -> None:
    for name in cli.commands.keys() - {"completion", "context", "mcp"}:
        assert any("--json" in parameter.opts for parameter in cli.commands[name].params), name


def test_bash_completes_commands() -> None:
    asks = "COMP_WORDS=(autogit lo); COMP_CWORD=1; _autogit_completion autogit; echo ${COMPREPLY[*]}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-c", f'eval "$(autogit completion bash)"; {asks}']
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=True)
    assert done.stdout == "log loop\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    assert "_AUTOGIT_COMPLETE" in CliRunner().invoke(cli, ["completion", shell]).output
