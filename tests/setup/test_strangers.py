"""`autogit init` on strangers' repositories: `tests/strangers.py` says what each holds and what is right about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import git
from strangers import REPOSITORIES, Repository, loop, made

from autogit.config.load import parse
from autogit.errors import WorkspaceError
from autogit.setup.draft import draft
from autogit.setup.survey import Survey, survey


def seen(folder: Path, files: dict[str, str], **said: str) -> Survey:
    found = survey(made(folder, files), **said)
    assert parse(draft(found)).train.command == found.script.command
    return found


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_stranger_is_understood(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    right: Repository = REPOSITORIES[name]
    found = survey(made(tmp_path / "r", right.files, right.ignored))
    config = parse(draft(found))
    assert config.train.command == found.script.command == right.command
    metric = (found.metric.name, found.metric.direction) if found.metric else None
    assert metric == ((right.metric, right.direction) if right.metric else None)
    searched = {constant.name.rpartition(".")[2] for constant in found.constants}
    assert right.constants <= searched and not right.not_constants & searched
    assert right.doubt in "\n".join(found.doubts)
    assert set(right.data) <= set(found.data)
    if found.metric is not None and found.metric.pattern:
        assert config.metric.patterns[found.metric.name] == found.metric.pattern


def test_a_submodule_that_no_code_names_is_left_out_and_a_named_one_is_data(tmp_path: Path) -> None:
    lib = made(tmp_path / "lib", {"f.txt": "x"})
    folder = made(tmp_path / "r", {"demo/train.py": loop(), "demo/more.py": "x = open('../third/lib/f.txt')\n"})
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "third/lib")
    git(folder, "commit", "-q", "-m", "A library")
    assert survey(folder / "demo").data == ()
    (folder / "demo/train.py").write_text("import more\n" + loop())
    git(folder, "commit", "-q", "-a", "-m", "Use it")
    assert survey(folder / "demo").data == ("../third/lib",)
    assert "third/lib" in survey(folder).data


@pytest.mark.parametrize(
    "ending",
    [
        "for step in itertools.count():\n    optimizer.step()\n",
        "while True:\n    optimizer.step()\n",
        "for i in count(1):\n    reward = train()\n    if running_reward > threshold:\n        break\n",
        "max_iters = None\nwhile True:\n    train()\n    if max_iters and step >= max_iters:\n        break\n",
        "max_steps = float('inf')\nwhile step < max_steps:\n    optimizer.step()\n",
        "class T:\n    def run(self):\n        while 1:\n            self.opt.step()\nT().run()\n",
        "for epoch in tqdm(itertools.count()):\n    train()\n",
        "for epoch in range(10**9):\n    train()\n",
    ],
)
def test_a_script_that_never_ends_is_told(tmp_path: Path, ending: str) -> None:
    found = seen(tmp_path / "r", {"train.py": f"import itertools\nprint('val_loss: 0.5')\n{ending}"})
    assert found.endless.startswith("train.py:")


@pytest.mark.parametrize(
    "ending",
    [
        "for step in range(100):\n    optimizer.step()\n",
        "max_iters = 100\nwhile True:\n    optimizer.step()\n    if step > max_iters:\n        break\n",
        "def batches():\n    while True:\n        yield train()\nfor step in range(3):\n    optimizer.step()\n",
        "for episode in range(3):\n    while True:\n        env.step(1)\n        if done:\n            break\n",
        "while True:\n    optimizer.step()\n    if time.time() - start > budget:\n        break\n",
        "def run():\n    while True:\n        train()\n        if step == 10:\n            return\nrun()\n",
        "while step < 100:\n    optimizer.step()\n",
    ],
)
def test_a_script_that_ends_is_not_told_to_be_endless(tmp_path: Path, ending: str) -> None:
    assert seen(tmp_path / "r", {"train.py": f"print('val_loss: 0.5')\n{ending}"}).endless == ""


def test_an_endless_script_that_takes_steps_gets_them(tmp_path: Path) -> None:
    script = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--max-steps', type=int, default=-1)\n"
        "args = p.parse_args()\nwhile True:\n    optimizer.step()\n    print(f'val_loss: {0.5}')\n"
        "    if args.max_steps >= 0 and step >= args.max_steps:\n        break\n"
    )
    found = seen(tmp_path / "r", {"train.py": script})
    assert found.script.command == "{python} train.py --max-steps {steps}" and found.steps
    assert "max_steps, which is -1" in found.endless
    assert parse(draft(found)).budget.steps == found.steps


def test_a_metric_that_only_the_evaluator_prints_becomes_its_command(tmp_path: Path) -> None:
    train = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--out-dir')\nargs = p.parse_args()\n"
        + loop("torch.save(w, f'{args.out_dir}/model.pt')\nprint('saved')")
    )
    evaluate = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--checkpoint', required=True)\n"
        "args = p.parse_args()\nprint(f'test accuracy: {0.5:.3f}')\n"
    )
    found = seen(tmp_path / "r", {"train.py": train, "evaluate.py": evaluate})
    assert found.script.command == "{python} train.py --out-dir {out}"
    assert found.evaluate == "{python} evaluate.py --checkpoint {out}/model.pt"
    assert found.metric is not None and (found.metric.name, found.metric.direction) == ("test_accuracy", "max")
    config = parse(draft(found))
    assert config.evaluate.command == found.evaluate and "evaluate.py" in config.train.protected
    folder = seen(tmp_path / "s", {"train.py": train, "evaluate.py": evaluate.replace("checkpoint", "model-dir")})
    assert folder.evaluate == "{python} evaluate.py --model-dir {out}"


def test_an_evaluator_is_left_alone_if_training_measures_itself(tmp_path: Path) -> None:
    files = {"train.py": loop(), "evaluate.py": "print(f'test accuracy: {0.5:.3f}')\nfor i in range(3):\n    pass\n"}
    assert seen(tmp_path / "r", files).evaluate == ""


@pytest.mark.parametrize("program", ["jupyter-nbconvert", "papermill"])
def test_a_notebook_runs_through_what_is_there(tmp_path: Path, program: str) -> None:
    folder = made(tmp_path / "r", {"nets/Net.ipynb": '{"cells": []}'})
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    python.write_text("")
    with pytest.raises(WorkspaceError, match="neither nbconvert nor papermill"):
        survey(folder)
    (python.parent / program).write_text("")
    found = survey(folder)
    assert found.script.command.startswith("cd nets && ") and program.removeprefix("jupyter-") in found.script.command
    assert "nets/Net.ipynb" in parse(draft(found)).train.editable
    assert survey(folder, script="nets/Net.ipynb").script.command == found.script.command


def test_a_notebook_s_metric_is_read_from_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autogit.setup.survey._converter", lambda around: "nbconvert")
    sources = ["%matplotlib inline\n", "!ls\nprint(f'step {k} val_loss {x}')\n", "x = = 1\n"]
    cells = [{"cell_type": "code", "source": [source]} for source in sources]
    text = json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": ["# accuracy"]}]})
    found = survey(made(tmp_path / "r", {"Net.ipynb": text}))
    assert found.metric is not None and (found.metric.name, found.metric.place) == ("val_loss", "Net.ipynb")
    assert "-m IPython" in found.script.command  # only there magic commands work


def test_scripts_that_train_something_else_are_no_part_of_a_trial(tmp_path: Path) -> None:
    files = {
        "a.py": "import net, metrics\n" + loop(),
        "metrics.py": "",
        "b.py": loop(),
        "net.py": "WIDTH = 3\n",
        "README.md": "    python a.py\n",
    }
    assert seen(tmp_path / "r", files).editable == ("a.py", "net.py")
    del files["b.py"]
    assert seen(tmp_path / "s", files).editable == ("**/*.py",)


@pytest.mark.parametrize(("gpus", "said"), [((), True), ((0,), False)])
def test_a_script_that_asks_for_a_gpu_is_told_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: tuple[int, ...], said: bool
) -> None:
    monkeypatch.setattr("autogit.execute.machine.gpus", lambda: gpus)
    options = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--device', default='cuda:0')\n"
    found = seen(tmp_path / "r", {"train.py": options + loop()})
    assert ("--device cpu" in found.script.command) is said


def test_of_scripts_alike_the_one_that_prints_a_metric_is_taken(tmp_path: Path) -> None:
    quiet = "for i in range(3):\n    loss.backward()\n    optimizer.step()\n"
    assert seen(tmp_path / "r", {"a.py": quiet, "b.py": quiet + "print(f'val_acc: {x}')\n"}).script.path == "b.py"


def test_a_named_script_is_taken(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"train.py": loop(), "alt/other.py": loop("print(f'val_acc: {loss}')")})
    found = survey(folder, script="./alt/other.py", metric="val_acc")
    assert found.script.path == "alt/other.py" and found.metric is not None
    assert (found.metric.name, found.metric.direction) == ("val_acc", "max") and not found.candidates
    with pytest.raises(WorkspaceError, match=r"--script trian\.py.* there are train\.py"):
        survey(folder, script="trian.py")
    (folder / "new.py").write_text("x = 1\n")
    with pytest.raises(WorkspaceError, match=r"new\.py.*is not committed"):
        survey(folder, script="new.py")


def test_a_named_metric_is_taken_and_said_if_nothing_prints_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "r", {"train.py": loop()})
    found = survey(folder, metric="Val Loss")
    assert found.metric is not None and found.metric.place == "train.py:9" and found.metric.name == "val_loss"
    other = survey(folder, metric="bleu")
    assert other.metric is not None and (other.metric.name, other.metric.direction) == ("bleu", "max")
    assert any("prints bleu" in doubt and "val_loss" in doubt for doubt in other.doubts)


def test_a_given_command_is_completed(tmp_path: Path) -> None:
    script = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--seed')\np.add_argument('--lr')\n" + loop()
    )
    folder = made(tmp_path / "r", {"code/fit.py": script, "go.sh": "python code/fit.py\n"})
    assert survey(folder, command="python code/fit.py --lr 0.2").script.command == (
        "{python} code/fit.py --lr 0.2 --seed {seed}"
    )
    inside = survey(folder, command="cd code && python fit.py --seed {seed}")
    assert inside.script.command == "cd code && {python} fit.py --seed {seed}" and inside.script.folder == "code"
    assert inside.metric is not None and inside.metric.name == "val_loss"
    shell = survey(folder, command="sh go.sh", metric="val_loss")
    assert shell.script.command == "sh go.sh" and parse(draft(shell)).metric.name == "val_loss"


def test_another_loop_s_ideas_are_read(tmp_path: Path) -> None:
    found = seen(tmp_path / "r", REPOSITORIES["pi-autoresearch, flat"].files)
    assert found.ideas == ("a wider net", "try dropout in the middle")
    assert found.editable == ("fit.py",)
    assert {"autoresearch.sh", "autoresearch.checks.sh", "data.py"} <= set(found.protected)
    karpathy = seen(tmp_path / "s", REPOSITORIES["karpathy's autoresearch"].files)
    assert karpathy.editable == ("train.py",) and "prepare.py" in karpathy.protected


def test_newer_syntax_is_an_aside(tmp_path: Path) -> None:
    files = {
        "insertion_sort.py": "def sort(x):\n    return x is\n",
        "quick_sort.py": "def sort(x):\n    return sorted(x)\nif __name__ == '__main__':\n    print(sort([2, 1]))\n",
    }
    with pytest.raises(
        WorkspaceError, match=r"looks like a training script; quick_sort\.py can be run.*insertion_sort"
    ):
        seen(tmp_path / "r", files)


def test_two_scripts_alike_are_not_sure_and_one_that_stands_out_is(tmp_path: Path) -> None:
    assert not seen(tmp_path / "r", {"actor.py": loop(), "reinforce.py": loop()}).sure
    assert seen(tmp_path / "s", {"train.py": loop(), "plot.py": loop()}).sure


WORDS = [
    "~",
    "~=3.10",
    "~nobody/x",
    "\0",
    "/",
    "..",
    "../..",
    "a" * 500,
    "{",
    "{0}",
    "%(",
    "%",
    "\\",
    "(?",
    "[",
    "é" * 300,
]


@pytest.mark.parametrize("word", WORDS)
def test_no_word_of_a_stranger_ends_the_look(tmp_path: Path, word: str) -> None:
    script = (
        f"note = {word!r}\nprint({word!r}, 0.5)\nprint('val_loss: %.3f {word.encode('unicode_escape').decode()!s}')\n"
    )
    script = script if _compiles(script) else f"note = {word!r}\nprint({word!r}, 0.5)\n"
    readme = f"python train.py {word}\n    cd {word} && python train.py '{word}\n"
    files = {"train.py": script + loop(), "README.md": readme, "Makefile": f"X = $(X)\n\tpython $(X) {word}\n"}
    files["c.yaml"] = f"a: {word!r}\n"
    files["program.md"] = f"**Primary**: {word} lower\n- {word}\n"
    assert seen(tmp_path / "r", files).script.path == "train.py"


def _compiles(text: str) -> bool:
    try:
        compile(text, "x", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def test_a_name_that_another_script_has_too_is_searched_in_its_own_file(tmp_path: Path) -> None:
    net = "class Net:\n    def __init__(self, dropout={}):\n        pass\n"
    files = {"train.py": "from net import Net\n" + loop(), "net.py": net.format(0.1), "old/net.py": net.format(0.3)}
    found = seen(tmp_path / "r", files)
    (dropout,) = [c for c in found.constants if c.name.endswith("dropout")]
    assert dropout.place.path == "net.py" and dropout.domain.file == "net.py"
    assert parse(draft(found)).space.parameters["dropout"] == dropout.domain
