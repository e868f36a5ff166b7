"""What docs/your-own-repo.md says of other people's repositories, each on a real loop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import git

from autogit import Lab
from autogit.cli import cli

TRAIN = """\
import random, sys, pathlib
lr = 0.1
seed = int(sys.argv[1])
{more}
for step in range(1, 4):
    print(f"step {{step}} loss {{1 / step:.3f}}")
print(f"val_loss: {{1 + (lr - 0.3) ** 2 + random.Random(seed).gauss(0, 0.01)}}")
"""
FEW = "\n[accept]\nseeds = 2\n"


def autogit(folder: Path, *arguments: str) -> Result:
    done = CliRunner(catch_exceptions=False).invoke(cli, ["-C", str(folder), *arguments])
    assert done.exit_code == 0, done.output
    return done


def commit(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "Start")
    return folder


def research(folder: Path, trials: int = 1, more: str = "") -> Lab:
    """`init` and a short loop, without an edit but for the number of seeds."""
    autogit(folder, "init")
    path = folder / ".autoresearch.toml"
    path.write_text(path.read_text() + FEW + more)
    autogit(folder, "loop", "-n", str(trials))
    return Lab.open(folder)


def test_a_script_in_a_subfolder_of_a_monorepo(tmp_path: Path) -> None:
    script = TRAIN.format(more='assert pathlib.Path("words.txt").read_text() == "here"')
    files = {"projects/a/train.py": script, "projects/a/words.txt": "here", "projects/b/train.py": "lr = 9\n"}
    lab = research(commit(tmp_path / "mono", files) / "projects" / "a")
    assert lab.trial(1).runs[0].status == "completed"
    assert git(tmp_path / "mono", "diff", "--name-only", "exp/1~1", "exp/1") == "projects/a/train.py"
    assert git(tmp_path / "mono", "status", "--porcelain") == "?? projects/a/.autoresearch.toml"


def test_ignored_data_is_where_it_was(tmp_path: Path) -> None:
    script = TRAIN.format(more='print(open("data/rows.csv").read())\nassert not pathlib.Path("sec" + "ret").exists()')
    folder = commit(tmp_path / "lab", {"train.py": script, ".gitignore": "data/\nsecret\n"})
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("1,2,3")
    (folder / "secret").touch()
    lab = research(folder)
    assert lab.config.train.data == ("data",) and "1,2,3" in lab.log(1)


def test_what_a_script_writes_beside_itself_does_not_reach_the_persons_files(tmp_path: Path) -> None:
    more = 'assert not pathlib.Path("results").exists()\npathlib.Path("results").mkdir()\n'
    script = TRAIN.format(more=f'{more}pathlib.Path("results/model.pt").write_text("x")')
    lab = research(commit(tmp_path / "lab", {"train.py": script}), trials=2)
    assert [record.runs[0].status for record in lab.trials()] == ["completed"] * 3
    assert sorted(path.name for path in (tmp_path / "lab").iterdir()) == [".autoresearch.toml", ".git", "train.py"]


def test_what_goes_into_the_output_folder_is_kept_for_the_best(tmp_path: Path) -> None:
    options = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--seed')\n"
    options += "parser.add_argument('--output-dir')\nargs = parser.parse_args()\n"
    options += "pathlib.Path(args.output_dir, 'model.pt').write_text('weights')"
    script = (
        TRAIN.format(more=options).replace("int(sys.argv[1])", "1").replace("Random(seed)", "Random(int(args.seed))")
    )
    lab = research(commit(tmp_path / "lab", {"train.py": script}), more="[checkpoints]\nkeep = 0\n")
    assert lab.config.train.command == "{python} train.py --seed {seed} --output-dir {out}"
    best = lab.best()
    assert best is not None
    (folder, *_) = json.loads(autogit(tmp_path / "lab", "show", best.id, "--json").output)["checkpoints"]
    assert Path(folder, "model.pt").read_text() == "weights"
    assert folder in autogit(tmp_path / "lab", "show", best.id).output
    other = next(record for record in lab.trials() if record.id != best.id)
    assert json.loads(autogit(tmp_path / "lab", "show", other.id, "--json").output)["checkpoints"] == []


def test_settings_in_yaml_are_searched_and_keep_their_comments(tmp_path: Path) -> None:
    script = TRAIN.format(more='import yaml\nlr = yaml.safe_load(open("conf/base.yaml"))["optimizer"]["lr"]')
    settings = "# how it learns\noptimizer:\n  lr: 0.1  # found by hand\nmodel:\n  lr: 7\n"
    folder = commit(tmp_path / "lab", {"train.py": script.replace("lr = 0.1\n", ""), "conf/base.yaml": settings})
    autogit(folder, "init")
    (folder / ".autoresearch.toml").write_text(
        '[train]\ncommand = "{python} train.py {seed}"\neditable = ["train.py", "conf/*.yaml"]\n'
        '[metric]\nname = "val_loss"\n[space]\n"optimizer.lr" = [0.1, 0.3]\n' + FEW
    )
    autogit(folder, "loop", "-n", "1")
    assert git(folder, "show", "exp/1:conf/base.yaml") == settings.replace("0.1", "0.3").rstrip("\n")


def test_the_pattern_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "patterns.md").read_text()
    pattern = page.partition("```toml\n")[2].partition("```")[0]
    script = TRAIN.format(more="optimizer = lambda: optim.Adam(model.parameters(), lr=lr)")
    folder = commit(tmp_path / "lab", {"train.py": script})
    settings = 'catalogue = false\n[train]\ncommand = "python train.py 1"\n[space]\ndiscover = false\n'
    (folder / ".autoresearch.toml").write_text(settings + pattern)
    (proposal,) = json.loads(autogit(folder, "loop", "--dry-run", "--json").output)
    assert proposal["operator"] == "adam-to-sgd" and proposal["title"] == "SGD with momentum instead of Adam"
    assert "+optimizer = lambda: optim.SGD(model.parameters(), lr=10 * lr, momentum=0.9)\n" in proposal["diff"]
    told = autogit(folder, "doctor").output
    assert "adam-to-sgd applies" in told and "catalogue" not in told


def test_a_virtual_environment_under_the_home_folder(isolated_home: Path) -> None:
    folder = isolated_home / "work" / "lab"
    commit(folder, {"train.py": TRAIN.format(more="import mylib\nprint(mylib.answer)"), ".gitignore": ".venv/\n"})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    packages = next((folder / ".venv").glob("lib/python3*/site-packages"))
    (packages / "mylib.py").write_text("answer = 'from the environment'\n")
    lab = research(folder)
    assert lab.config.train.command == f"{folder}/.venv/bin/python train.py {{seed}}"
    assert "from the environment" in lab.log(1)
    assert "the command found what it imports" in autogit(folder, "doctor").output


def test_hours_and_trials_give_each_run_its_time(tmp_path: Path) -> None:
    script = TRAIN.format(more="import time\nprint('told', sys.argv[2])\ntime.sleep(float(sys.argv[2]))")
    folder = commit(tmp_path / "lab", {"train.py": script})
    (folder / ".autoresearch.toml").write_text(
        f'[train]\ncommand = "{{python}} train.py {{seed}} {{seconds}}"\n[metric]\nname = "val_loss"{FEW}'
        "[space]\nlr = [0.1, 0.2, 0.3]\n"
    )
    # Two seeds of the baseline and about two runs for the trial.
    assert "each run gets 0.3 s" in autogit(folder, "loop", "--hours", str(1.2 / 3600), "-n", "1").output
    assert "told 0.3" in Lab.open(folder).log(0)
    # With more time, and with none, its runs are compared with those: they get the same.
    Lab.open(folder).loop(hours=1, trials=1)
    Lab.open(folder).loop(trials=1)
    trials = Lab.open(folder).trials()[1:]
    assert len(trials) >= 2 and {record.environment["run_seconds"] for record in trials} == {0.3}
    assert all(
        float(line.split()[1]) == 0.3
        for r in trials
        for line in Lab.open(folder).log(r.id).splitlines()
        if "told" in line
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_torchrun_starts_the_training(tmp_path: Path) -> None:
    """On whatever the machine has: one process for each GPU, or one on the CPU."""
    pytest.importorskip("torch")
    more = (
        "import torch.distributed as dist\ndist.init_process_group('gloo')\nprint('processes', dist.get_world_size())"
    )
    starts = "torchrun --standalone --nproc_per_node=4 train.py 1\n"
    folder = commit(tmp_path / "lab", {"train.py": TRAIN.format(more=more), "run.sh": starts})
    autogit(folder, "init")
    path = folder / ".autoresearch.toml"
    text = path.read_text()
    assert "--nproc_per_node={gpus} train.py" in text and "gpus_per_run = 4" in text
    path.write_text(text.replace("gpus_per_run = 4", "gpus_per_run = 0").replace("train.py 1", "train.py {seed}") + FEW)
    autogit(folder, "loop", "-n", "1")
    assert "processes 1" in Lab.open(folder).log(1)
