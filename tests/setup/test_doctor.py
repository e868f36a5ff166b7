"""What `autogit doctor` says of a lab: it starts the real command, in the place of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import git
from llm_server import Fail, LlmServer, Say
from toy import TRAIN, make_toy

from autogit import Lab
from autogit.cli import cli
from autogit.setup.doctor.examination import examine
from autogit.setup.doctor.findings import Finding, State

SCRIPT = """\
import random, sys
lr = 0.1
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
{more}
print(f"val_loss: {{1 + lr + random.Random(seed).gauss(0, 0.01):.6f}}")
"""


def doctor(folder: Path) -> dict[str, list[Finding]]:
    """The findings by their subject."""
    found: dict[str, list[Finding]] = {}
    for finding in examine(folder):
        found.setdefault(finding.subject, []).append(finding)
    return found


def wrong(folder: Path) -> list[Finding]:
    return [finding for each in doctor(folder).values() for finding in each if finding.state is State.WRONG]


def lab(folder: Path, files: dict[str, str], config: str = "", command: str = "{python} train.py {seed}") -> Path:
    """A repository with these files, whose configuration has `config` under the training command."""
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "Start")
    (folder / ".autoresearch.toml").write_text(f"[train]\ncommand = '{command}'\n{config}")
    return folder


def test_a_good_lab_is_started_and_nothing_of_that_stays(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    found = doctor(folder)
    assert all(finding.state is not State.WRONG for each in found.values() for finding in each)
    (run,) = found["run"]
    assert run.state is State.GOOD and "ended by itself" in run.text
    (metric,) = found["metric"]
    assert 'was read from the line "val_loss: 1.' in metric.text
    (seed,) = found["seed"]
    assert seed.state is State.GOOD and "two seeds gave" in seed.text
    ledger = Lab.open(folder).ledger
    assert not (ledger.private / "first-run").exists()
    assert Lab.open(folder).trials() == [] and git(folder, "for-each-ref", "refs/heads/exp", "refs/tags") == ""


def test_an_import_of_another_script_is_only_a_note(tmp_path: Path) -> None:
    files = {"train.py": SCRIPT.format(more=""), "sample.py": "import not_here_at_all\n"}
    found = doctor(lab(tmp_path / "lab", files))
    assert [finding.state for finding in found.get("imports", [])] == [State.GOOD, State.NOTE], found
    assert "not_here_at_all (sample.py)" in found["imports"][1].text


def test_an_import_that_the_script_lacks_is_wrong_also_through_its_modules(tmp_path: Path) -> None:
    files = {"train.py": SCRIPT.format(more="import model"), "model.py": "import not_here_at_all\n"}
    (finding,) = wrong(lab(tmp_path / "lab", files))
    assert finding.subject == "imports" and "(model.py:1); install it" in finding.text


def test_a_module_of_a_package_is_not_taken_for_the_package_that_is_missing(tmp_path: Path) -> None:
    files = {"train.py": SCRIPT.format(more="import tok.tensors"), "tok/__init__.py": ""}
    files["tok/tensors.py"] = "import tensors\n"
    (finding,) = wrong(lab(tmp_path / "lab", files))
    assert "install it" in finding.text and "PYTHONPATH" not in finding.text


def test_a_package_below_src_is_named_with_the_path_that_finds_it(tmp_path: Path) -> None:
    files = {
        "train.py": SCRIPT.format(more="import mynet.model"),
        "src/mynet/model.py": "",
        "src/mynet/__init__.py": "",
    }
    folder = lab(tmp_path / "lab", files)
    (finding,) = wrong(folder)
    assert "begin train.command with PYTHONPATH=src" in finding.text
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text().replace("'{python}", "'PYTHONPATH=src {python}"))
    assert wrong(folder) == []


@pytest.mark.parametrize(
    ("made", "read", "advice"),
    [
        ("data/x.csv", "data/x.csv", '[train] data = ["data"]'),
        ("data/raw/x.csv", "data/raw/x.csv", '[train] data = ["data"]'),
        ("../big/x.csv", "../big/x.csv", '[train] data = ["../big"]'),
    ],
)
def test_the_advice_for_data_that_a_run_does_not_see_works(tmp_path: Path, made: str, read: str, advice: str) -> None:
    more = f'assert open("{read}").read() == "1"'
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more=more), ".gitignore": "data/\n"})
    (folder / made).parent.mkdir(parents=True)
    (folder / made).write_text("1")
    (finding,) = wrong(folder)
    assert finding.subject == "run" and advice in finding.text
    path = folder / ".autoresearch.toml"
    path.write_text(f"{path.read_text()}{advice.removeprefix('[train] ')}\n")
    assert wrong(folder) == []
    assert Lab.open(folder).loop(trials=1).reason


def test_a_file_that_only_a_newer_python_reads_is_told_from_a_missing_package(tmp_path: Path) -> None:
    files = {"train.py": SCRIPT.format(more="import model"), "model.py": "def f(:\n    pass\n"}
    (finding,) = wrong(lab(tmp_path / "lab", files))
    assert finding.subject == "run" and "SyntaxError" in finding.text and "newer Python" in finding.text


def test_folders_of_links_and_folders_with_a_tracked_file_are_seen_whole(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "blob").write_text("1")
    more = 'assert open("data/x.csv").read() == "1" and open("data/here.txt").read() == "2"'
    files = {"train.py": SCRIPT.format(more=more), "data/.gitkeep": "", ".gitignore": "data/*\n!data/.gitkeep\n"}
    folder = lab(tmp_path / "lab", files, 'data = ["data"]\n')
    (folder / "data" / "x.csv").symlink_to(tmp_path / "store" / "blob")
    (folder / "data" / "here.txt").write_text("2")
    assert wrong(folder) == []
    Lab.open(folder).loop(trials=1)
    assert Lab.open(folder).trial(0).runs[0].status == "completed"
    assert sorted(path.name for path in (folder / "data").iterdir()) == [".gitkeep", "here.txt", "x.csv"]


def test_data_that_nobody_has_is_no_matter_of_the_configuration(tmp_path: Path) -> None:
    (finding,) = wrong(lab(tmp_path / "lab", {"train.py": SCRIPT.format(more='open("data/x.csv")')}))
    assert "is not in your folder either" in finding.text


def test_a_submodule_blocks_nobody_and_is_seen_under_the_name_that_the_note_gives(tmp_path: Path) -> None:
    library = lab(tmp_path / "library", {"answer.py": "value = 42\n"})
    top = lab(tmp_path / "lab", {"project/train.py": SCRIPT.format(more="")})
    git(top, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "third_party/lib")
    git(top, "commit", "-q", "-m", "A submodule")
    folder = top / "project"
    (top / ".autoresearch.toml").rename(folder / ".autoresearch.toml")
    found = doctor(folder)
    assert [finding.state for finding in found["submodule"]] == [State.NOTE] and wrong(folder) == []
    assert '[train] data = ["../third_party/lib"]' in found["submodule"][0].text

    more = 'sys.path.insert(0, "../third_party/lib")\nimport answer\nprint(f"answer: {answer.value}")'
    (folder / "train.py").write_text(SCRIPT.format(more=more))
    git(top, "commit", "-q", "-a", "-m", "Use it")
    (finding,) = wrong(folder)
    assert finding.subject == "imports" and '[train] data = ["../third_party/lib"]' in finding.text
    path = folder / ".autoresearch.toml"
    path.write_text(f'{path.read_text()}data = ["../third_party/lib"]\n')
    assert wrong(folder) == []
    Lab.open(folder).loop(trials=1)
    assert Lab.open(folder).trial(0).metrics["answer"] == 42


def test_a_metric_that_never_comes_is_wrong_and_one_that_takes_its_time_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more="")}, '[metric]\nname = "accuracy"\n')
    (finding,) = wrong(folder)
    assert finding.subject == "metric" and 'no "accuracy" in the output' in finding.text

    monkeypatch.setattr("autogit.trial.first_run.PATIENCE_SECONDS", 1.0)
    more = "import time\nprint('loading', flush=True)\ntime.sleep(600)"
    found = doctor(lab(tmp_path / "slow", {"train.py": SCRIPT.format(more=more)}))
    assert found["metric"][0].state is State.NOTE and found["run"][0].state is State.NOTE
    assert "train.py:7 prints it" in found["metric"][0].text and "[budget] seconds" in found["run"][0].text


def test_a_script_that_never_ends_is_stopped_once_the_metric_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogit.trial.first_run.SETTLE_SECONDS", 0.5)
    script = (
        "import itertools, time\nfor step in itertools.count():\n"
        "    print(f'step {step} val_loss: {1 / (step + 1)}')\n    time.sleep(0.01)\n"
    )
    found = doctor(lab(tmp_path / "lab", {"train.py": script}))
    assert found["run"][0].state is State.NOTE and "[budget] seconds = 300" in found["run"][0].text
    assert 'the line "step 0 val_loss: 1.0"' in found["metric"][0].text
    (seed,) = found["seed"]
    assert seed.state is State.NOTE and "does not use its seed" in seed.text


def test_a_script_that_draws_its_own_seed_is_told_from_one_that_draws_none(tmp_path: Path) -> None:
    luck = doctor(
        lab(
            tmp_path / "luck",
            {"train.py": "import random\nprint('val_loss:', random.random())\n"},
            command="{python} train.py",
        )
    )
    none = doctor(lab(tmp_path / "none", {"train.py": "print('val_loss: 0.5')\n"}, command="{python} train.py"))
    assert luck["seed"][0].state is State.GOOD and "two runs gave" in luck["seed"][0].text
    assert none["seed"][0].state is State.NOTE and "noise cannot be measured" in none["seed"][0].text


def test_steps_that_a_command_of_the_budget_counts_are_asked_for(tmp_path: Path) -> None:
    files = {"train.py": SCRIPT.format(more="print('steps', sys.argv[2])"), "steps.py": "print('steps: 7')\n"}
    budget = "[budget]\nflops = 1e6\ncommand = '{python} steps.py {flops}'\n"
    folder = lab(tmp_path / "lab", files, budget, "{python} train.py {seed} {steps}")
    found = doctor(folder)
    assert wrong(folder) == [] and found["command"][0].text.endswith("train.py 1 7")


def test_a_command_of_the_budget_that_fails_is_wrong(tmp_path: Path) -> None:
    budget = "[budget]\nflops = 1e6\ncommand = '{python} no_such_file.py'\n"
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more="")}, budget, "{python} train.py {seed} {steps}")
    assert [finding.subject for finding in wrong(folder)] == ["run"]


def test_seconds_that_only_a_loop_gives_are_no_fault(tmp_path: Path) -> None:
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more="")}, "", "{python} train.py {seed} {seconds}")
    assert wrong(folder) == []


def test_a_guard_that_no_run_prints_is_wrong_here_and_ends_the_loop_at_its_start(tmp_path: Path) -> None:
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more="")}, "[metrics.latency]\nmax = 5\n")
    (finding,) = wrong(folder)
    assert finding.subject == "metrics" and "latency is guarded in [metrics] and was not reported" in finding.text
    done = CliRunner().invoke(cli, ["-C", str(folder), "loop", "-n", "1"])
    assert done.exit_code == 1 and "latency is guarded in [metrics] and was not reported" in done.output


def test_a_command_that_runs_what_it_wrote_into_its_own_folder_is_no_fault(tmp_path: Path) -> None:
    command = "cp train.py {out}/made.py && {python} {out}/made.py {seed}"
    assert wrong(lab(tmp_path / "lab", {"train.py": SCRIPT.format(more="")}, "", command)) == []


def test_a_metric_that_the_baseline_does_not_have_is_a_note(tmp_path: Path) -> None:
    more = "import pathlib\nif pathlib.Path('more.txt').exists(): print('accuracy: 0.5')"
    folder = lab(tmp_path / "lab", {"train.py": SCRIPT.format(more=more)})
    Lab.open(folder).loop(trials=1)
    (folder / "more.txt").touch()
    git(folder, "add", "more.txt")
    git(folder, "commit", "-q", "-m", "Print more")
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text() + '[metric]\nname = "accuracy"\ndirection = "max"\n')
    found = doctor(folder)
    assert found["baseline"][0].state is State.NOTE and wrong(folder) == []


def test_a_parameter_that_the_command_sets_is_noted_and_not_searched(tmp_path: Path) -> None:
    script = "import sys\nlr = 0.1\nwidth = 8\nprint('val_loss:', lr)\n"
    folder = lab(
        tmp_path / "lab",
        {"train.py": script},
        "[space]\nlr = [0.1, 0.2]\nwidth = [8, 16]\n",
        "{python} train.py --lr=0.3",
    )
    notes = [finding.text for finding in doctor(folder)["space"] if finding.state is State.NOTE]
    assert len(notes) == 1 and "lr is set on the command line" in notes[0]


def test_a_lab_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab")
    with Lab.open(folder).ledger.lock():
        found = doctor(folder)
    assert found["run"][0].state is State.NOTE and "autogit status" in found["run"][0].text


def test_the_command_line_tells_what_was_found_and_fails_for_what_is_wrong(tmp_path: Path) -> None:
    folder = lab(tmp_path / "lab", {"train.py": "raise ValueError('no [brackets]')\n"})
    done: Result = CliRunner().invoke(cli, ["-C", str(folder), "doctor"])
    assert done.exit_code == 1 and "ValueError: no [brackets] (train.py:1)" in done.output
    listed = json.loads(CliRunner().invoke(cli, ["-C", str(folder), "doctor", "--json"]).output)
    assert {"subject", "state", "text"} == set(listed[0])


# ---- models and agents


def with_model(folder: Path, more: str) -> Path:
    return make_toy(folder, TRAIN, more)


def test_a_key_that_is_not_set_and_a_server_that_is_away_are_wrong(tmp_path: Path) -> None:
    (finding,) = wrong(with_model(tmp_path / "key", '[llm]\nmodel = "m"\napi_key_env = "NO_SUCH_KEY"\n'))
    assert finding.subject == "llm" and "$NO_SUCH_KEY is not set" in finding.text
    (finding,) = wrong(
        with_model(tmp_path / "away", '[llm]\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = ""\n')
    )
    assert finding.subject == "llm"


def test_an_agent_that_is_not_installed_is_wrong_and_one_behind_a_variable_is_found(tmp_path: Path) -> None:
    (finding,) = wrong(with_model(tmp_path / "a", '[agent]\ncommand = "no-such-agent {briefing}"\n'))
    assert finding.subject == "agent" and "no-such-agent" in finding.text
    assert wrong(with_model(tmp_path / "b", '[agent]\ncommand = "MODE=quick sh {briefing}"\n')) == []


def test_a_server_that_answers_is_asked_for_one_word_and_one_that_knows_no_such_model_is_wrong(tmp_path: Path) -> None:
    with LlmServer([Say("ready")]) as server:
        more = f'[llm]\nmodel = "m"\nbase_url = "{server.url}"\napi_key_env = ""\ncontext = 10\n'
        found = doctor(with_model(tmp_path / "good", more))
        assert len(server.requests) == 1 and server.requests[0].body["max_tokens"] <= 16
    assert [finding.state for finding in found["llm"]] == [State.GOOD, State.NOTE]
    assert "llm.context = 10" in found["llm"][1].text
    with LlmServer([Fail(404)]) as server:
        more = f'[llm]\nmodel = "m"\nbase_url = "{server.url}"\napi_key_env = ""\n'
        (finding,) = wrong(with_model(tmp_path / "bad", more))
    assert finding.subject == "llm"
