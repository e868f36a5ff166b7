"""What `autogit init` sees in repositories of many habits. Nothing is trained here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import git

from autogit.cli import cli
from autogit.config.load import parse
from autogit.errors import WorkspaceError
from autogit.setup.draft import draft
from autogit.setup.metrics import direction, printed
from autogit.setup.survey import Survey, survey

TORCH = """\
import torch
from torch import nn
LEARNING_RATE = 3e-4
HIDDEN = 256
for step in range(100):
    loss = torch.zeros(())
    loss.backward()
    print(f"step {step} loss {loss.item():.4f}")
print(f"val_loss: {loss.item():.4f}")
"""


def commit(folder: Path, files: dict[str, str], branch: str = "main") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", branch)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--allow-empty", "-m", "Start")
    return folder


def look(folder: Path, files: dict[str, str]) -> Survey:
    """The survey of these files; its draft is a valid configuration that says the same."""
    found = survey(commit(folder, files))
    config = parse(draft(found))
    assert config.train.command == found.script.command
    assert set(config.space.parameters) == {constant.name for constant in found.constants}
    assert config.train.data == found.data
    return found


def test_constants_on_top_of_one_file(tmp_path: Path) -> None:
    found = look(tmp_path / "r", {"train.py": TORCH, "README.md": "nothing to see"})
    assert found.script.command == "{python} train.py"
    assert found.metric is not None and (found.metric.name, found.metric.direction) == ("val_loss", "min")
    assert {c.name for c in found.constants} == {"LEARNING_RATE", "HIDDEN"}
    assert any("takes no seed" in doubt for doubt in found.doubts)


def test_the_training_script_is_told_from_its_neighbours(tmp_path: Path) -> None:
    files = {
        "train.py": TORCH,
        "evaluate.py": TORCH,
        "model.py": "class Model: pass\n",
        "tests/test_train.py": TORCH,
        "prepare_data.py": 'print("done")\nfor _ in range(3): pass\n',
    }
    found = look(tmp_path / "r", files)
    assert found.script.path == "train.py"
    assert found.protected == ("evaluate.py", "prepare_data.py", "tests/test_train.py")


def test_options_for_seed_and_output_are_used(tmp_path: Path) -> None:
    script = TORCH.replace(
        "LEARNING_RATE = 3e-4",
        'import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument("--lr", type=float, default=1e-3)\n'
        'parser.add_argument("-s", "--random-seed", type=int)\nparser.add_argument("--save-dir")\n',
    )
    found = look(tmp_path / "r", {"main.py": script})
    assert found.script.command == "{python} main.py --random-seed {seed} --save-dir {out}"
    assert "lr" in {c.name for c in found.constants}


def test_plain_arguments_are_given_or_asked_for(tmp_path: Path) -> None:
    script = f"import sys\ndata = open(sys.argv[1])\nseed = int(sys.argv[2])\n{TORCH}"
    found = look(tmp_path / "r", {"train.py": script})
    assert found.script.command == "{python} train.py ... {seed}" and found.script.seeded
    assert any("needs an argument (data)" in doubt for doubt in found.doubts)
    counted = script.replace("data = open(sys.argv[1])", "data = len(sys.argv) > 1 and sys.argv[1]")
    assert look(tmp_path / "s", {"train.py": counted}).script.command == "{python} train.py"


def test_a_positional_argument_of_argparse(tmp_path: Path) -> None:
    options = 'parser.add_argument("config")\nparser.add_argument("more", nargs="*")\nparser.add_argument("--seed")\n'
    script = f"import argparse\nparser = argparse.ArgumentParser()\n{options}{TORCH}"
    files = {"train.py": script, "base.yaml": "lr: 0.1\n"}
    assert look(tmp_path / "r", files).script.command == "{python} train.py base.yaml --seed {seed}"


def test_what_another_script_holds_is_not_searched(tmp_path: Path) -> None:
    other = TORCH.replace("LEARNING_RATE", "WEIGHT_DECAY").replace("HIDDEN", "BATCH_SIZE")
    found = look(tmp_path / "r", {"train.py": TORCH, "finetune.py": other})
    assert {c.name for c in found.constants} == {"LEARNING_RATE", "HIDDEN"} and found.others == ("finetune.py",)
    imported = TORCH.replace("import torch\n", "import torch\nfrom finetune import BATCH_SIZE\n")
    found = look(tmp_path / "s", {"train.py": imported, "finetune.py": other})
    assert "WEIGHT_DECAY" in {c.name for c in found.constants}


def test_of_several_settings_files_the_named_one_is_searched(tmp_path: Path) -> None:
    script = TORCH.replace("import torch\n", 'import torch, yaml\nsettings = yaml.safe_load(open("conf/big.yaml"))\n')
    files = {"train.py": script, "conf/big.yaml": "dropout: 0.1\n", "conf/tiny.yaml": "weight_decay: 0.1\n"}
    names = {c.name for c in look(tmp_path / "r", files).constants}
    assert "dropout" in names and "weight_decay" not in names


def test_a_seed_that_is_fixed_in_the_code_is_said(tmp_path: Path) -> None:
    found = look(tmp_path / "r", {"train.py": f"seed = 3\n{TORCH}"})
    assert any("seed is fixed in line 1" in doubt and "SEED={seed}" in doubt for doubt in found.doubts)


def test_a_seed_from_the_environment(tmp_path: Path) -> None:
    found = look(tmp_path / "r", {"train.py": f'import os\nSEED = int(os.environ.get("SEED", 0))\n{TORCH}'})
    assert found.script.command == "SEED={seed} {python} train.py" and found.script.seeded


def test_the_readme_knows_what_the_script_needs(tmp_path: Path) -> None:
    files = {
        "train.py": TORCH,
        "configs/base.yaml": "optimizer:\n  lr: 1e-3\n  weight_decay: 0.1\n",
        "README.md": "# It\n\n    $ python3 train.py --config configs/base.yaml\n",
    }
    found = look(tmp_path / "r", files)
    assert found.script.command == "{python} train.py --config configs/base.yaml"
    assert "README.md" in found.script.origin
    assert {"lr", "weight_decay"} <= {c.name for c in found.constants}
    assert "configs/base.yaml" in found.editable


def test_a_command_that_only_shows_options_does_not_fix_them(tmp_path: Path) -> None:
    found = look(tmp_path / "r", {"train.py": TORCH, "README.md": "`python train.py --learning-rate 0.1`"})
    assert found.script.command == "{python} train.py"


def test_torchrun_becomes_gpus_per_run(tmp_path: Path) -> None:
    found = look(tmp_path / "r", {"train.py": TORCH, "run.sh": "torchrun --standalone --nproc_per_node=4 train.py\n"})
    expected = "{python} -m torch.distributed.run --standalone --nproc_per_node={gpus} train.py"
    assert found.script.command == expected and found.script.gpus == 4
    assert parse(draft(found)).train.gpus_per_run == 4


def test_a_module_that_imports_from_its_package_is_started_as_one(tmp_path: Path) -> None:
    files = {
        "lm/__init__.py": "", "lm/train.py": "from .model import x\n" + TORCH, "lm/model.py": "x = 1\n",
    }  # fmt: skip
    found = look(tmp_path / "r", files)
    assert found.script.command == "{python} -m lm.train" and found.editable[0] == "lm/**/*.py"


def test_a_script_in_a_monorepo_is_started_where_its_files_are(tmp_path: Path) -> None:
    script = TORCH.replace("import torch\n", 'import torch\nTEXT = open("corpus.txt").read()\n')
    files = {"research/lm/train.py": script, "research/lm/corpus.txt": "words", "web/server.py": "print('hello')\n"}
    found = look(tmp_path / "r", files)
    assert found.script.command == "cd research/lm && {python} train.py"
    assert found.editable == ("research/**/*.py",)
    inner = survey(tmp_path / "r" / "research" / "lm")
    assert (inner.prefix, inner.script.command) == ("research/lm", "{python} train.py")


def test_ignored_data_that_the_code_names_is_found_and_products_are_not(tmp_path: Path) -> None:
    script = TORCH.replace(
        "import torch\n", 'import torch\nrows = open("data/rows.csv")\nmore = open("big.npy", "rb")\n'
    )
    folder = commit(tmp_path / "r", {"train.py": script, ".gitignore": "data/\n*.npy\nruns/\nother/\n"})
    for path in ("data/rows.csv", "big.npy", "runs/1/log.txt", "other/thing.bin", "__pycache__/a.pyc"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    found = survey(folder)
    assert sorted(found.data) == ["big.npy", "data"]
    assert [doubt for doubt in found.doubts if "other/" in doubt] and not [d for d in found.doubts if "runs" in d]


def test_paths_outside_the_repository_are_opened_by_name(tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-corpora" / "text"
    outside.mkdir(parents=True)
    found = look(tmp_path / "r", {"train.py": TORCH, "conf.yaml": f"lr: 0.1\ntext: {outside}\n"})
    expected = () if str(outside).startswith("/tmp/") else (str(outside),)
    assert found.outside == expected


def test_a_module_of_a_package_does_not_stand_for_another_package_of_its_name(tmp_path: Path) -> None:
    files = {"train.py": f"import tok.regex\n{TORCH}", "tok/__init__.py": "", "tok/regex.py": "import regex as re\n"}
    assert look(tmp_path / "r", files).script.command == "{python} train.py"


def test_another_main_branch_is_named(tmp_path: Path) -> None:
    assert parse(draft(survey(commit(tmp_path / "r", {"train.py": TORCH}, "trunk")))).main == "trunk"


def test_a_virtual_environment_beside_the_code_is_used(tmp_path: Path) -> None:
    folder = commit(tmp_path / "r", {"train.py": TORCH, ".gitignore": ".venv/\n"})
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert survey(folder).script.command == f"{folder.resolve()}/.venv/bin/python train.py"


def test_uncommitted_changes_are_said(tmp_path: Path) -> None:
    folder = commit(tmp_path / "r", {"train.py": TORCH})
    (folder / "train.py").write_text(TORCH + "# more\n")
    assert any("not committed" in doubt for doubt in survey(folder).doubts)


@pytest.mark.parametrize(
    ("code", "name", "way"),
    [
        ('print("acc: %.2f%%" % (100 * a))', "acc", "max"),
        ('print("Epoch {} | val_loss={:.3f} | val_acc={:.3f}".format(e, l, a))', "val_loss", "min"),
        ('print("Test Accuracy of the model: {} %".format(100 * c / t))', "test_accuracy", "max"),
        ('import json\nprint(json.dumps({"auc": auc, "epoch": 3}))', "auc", "max"),
        ('import logging\nlogging.info("eval/perplexity %.2f", p)', "eval_perplexity", "min"),
        ('print("train loss", l)\nprint("R2:", r)', "r2", "max"),
        ('print(f"val_bpb:          {bpb:.6f}")', "val_bpb", "min"),
        ('for i in x:\n    print(f"loss {l}")\nprint(f"rmse {r}")', "rmse", "min"),
        ("import keras\nm.compile(metrics=['mae'])\nm.fit(x, y, validation_split=0.1)", "val_loss", "min"),
        ("from transformers import Trainer\nTrainer(m, a).evaluate()", "eval_loss", "min"),
        ('class N(L):\n    def step(self):\n        self.log("val_acc", a, prog_bar=True)', "val_acc", "max"),
    ],
)  # fmt: skip
def test_metrics_are_named_as_the_loop_will_read_them(code: str, name: str, way: str) -> None:
    first = printed(code, "train.py")[0]
    assert (first.name, first.direction) == (name, way)


def test_keras_prints_what_it_was_compiled_with() -> None:
    found = printed("import keras\nm.compile(metrics=['auc'])\nm.fit(x, validation_data=v)", "train.py")
    assert {(metric.name, metric.direction) for metric in found} == {("val_loss", "min"), ("val_auc", "max")}


def test_what_is_printed_of_training_alone_is_the_last_choice() -> None:
    line = 'print(f"train_loss {x} lr {lr} grad_norm {g} time {t}")\n'
    (only,) = printed(line, "train.py")
    assert only.name == "train_loss" and only.training
    assert printed(line + 'print(f"wibble_val {x}")', "train.py")[0].name == "wibble_val"
    assert direction("wibble") is None


@pytest.mark.parametrize(
    ("line", "name", "shown", "value"),
    [
        ('print("Loss after iteration %i: %f" % (i, loss))', "loss", "Loss after iteration 900: 0.07", "0.07"),
        ('print(f"Accuracy after {n} epochs is {a}")', "accuracy", "Accuracy after 20 epochs is 0.9", "0.9"),
        ('print("Epoch {} accuracy at step {} is {}".format(a, b, c))', "accuracy",
         "Epoch 3 accuracy at step 70 is 0.9", "0.9"),
        ("print(t, round(net.calculate_total_error(data), 9))", "total_error", "70 0.25", "0.25"),
        ("print(i, self.get_loss(x).item())", "loss", "70 1.2e-05", "1.2e-05"),
        ("print(loss)", "loss", "tensor(1.5000, grad_fn=<MulBackward0>)", "1.5000"),
        ("print(losses[-1])", "losses", "0.5", "0.5"),
    ],
)  # fmt: skip
def test_a_count_beside_the_metric_is_never_taken_for_it(line: str, name: str, shown: str, value: str) -> None:
    first = printed(line, "train.py")[0]
    found = re.search(first.pattern, shown)
    assert first.name == name and found is not None and found[1] == value


def test_init_writes_what_doctor_and_loop_understand_and_never_overwrites(tmp_path: Path) -> None:
    folder = commit(tmp_path / "r", {"train.py": TORCH})
    first = CliRunner().invoke(cli, ["init", str(folder)])
    assert first.exit_code == 0 and "could not tell" in first.output and "LEARNING_RATE" in first.output
    text = (folder / ".autoresearch.toml").read_text()
    again = CliRunner().invoke(cli, ["init", str(folder)])
    assert again.exit_code == 2 and "stays as it is" in again.output
    assert (folder / ".autoresearch.toml").read_text() == text


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"README.md": "no code"}, "looks like a training script"),
        ({"model.py": "class A: pass"}, "training script"),
        ({"train.py": "def f(:"}, r"train\.py .* no valid Python"),
        ({"Net.ipynb": "{}"}, r"nbconvert --to script Net\.ipynb"),
    ],
)
def test_a_repository_that_does_not_train_is_one_error(tmp_path: Path, files: dict[str, str], word: str) -> None:
    with pytest.raises(WorkspaceError, match=word):
        survey(commit(tmp_path / "r", files))


def test_no_repository_and_no_commit_are_said(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no git repository"):
        survey(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(WorkspaceError, match="no commit yet"):
        survey(tmp_path)
    (tmp_path / "train.py").write_text(TORCH)
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Start")
    with pytest.raises(WorkspaceError, match=r"train.py .* is not committed"):
        survey(tmp_path)


def test_the_template_is_a_workspace_of_its_own(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["init", "--template", "gpt", str(tmp_path / "lab")])
    assert done.exit_code == 0, done.output
    assert git(tmp_path / "lab", "status", "--porcelain") == ""
    assert "train.py" in git(tmp_path / "lab", "ls-files")
    config = parse((tmp_path / "lab" / ".autoresearch.toml").read_text())
    assert config.workspace == "." and config.train.protected
    again = CliRunner().invoke(cli, ["init", "--template", "gpt", str(tmp_path / "lab")])
    assert again.exit_code == 1 and "not empty" in again.output
    assert CliRunner().invoke(cli, ["init", "--template", "gpt"]).exit_code == 2


def test_the_template_is_in_the_wheel(tmp_path: Path) -> None:
    import zipfile

    project = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    copy = tmp_path / "project"
    kept = ["pyproject.toml", "setup.py", "README.md", "LICENSE", ".autoresearch.toml", "workspace", "autogit"]
    copy.mkdir()
    subprocess.run(["cp", "-r", *[p for p in kept if (project / p).exists()], str(copy)], cwd=project, check=True)
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {"autogit/_templates/gpt/train.py", "autogit/_templates/gpt.toml"} <= names
    assert not [name for name in names if "/.git/" in name or name.endswith(".pyc")]
    script = "import sys, pathlib, autogit.setup.templates as t; t.copy_template('gpt', pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "lab")], cwd=tmp_path / "installed", check=True)
    assert "train.py" in git(tmp_path / "lab", "ls-files")
