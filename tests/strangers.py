"""Small repositories in the habits of public ones, written anew: what each holds, and what `init` has to find."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from conftest import git

LOOP = """\
import torch
w = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([w], lr={lr})
for epoch in range(3):
    loss = ((w - 1) ** 2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
{report}
"""
VAL = 'print(f"val_loss: {loss.item():.4f}")'


def loop(report: str = VAL, before: str = "", lr: str = "0.1") -> str:
    return before + LOOP.format(report=report, lr=lr)


def made(folder: Path, files: dict[str, str], ignored: dict[str, str] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "-q", "-m", "Start")
    for path, text in (ignored or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@dataclass(frozen=True)
class Repository:
    """A stranger's repository and what is right about it; None: anything."""

    files: dict[str, str]
    command: str
    metric: str | None
    direction: str = "min"
    script: str = ""
    constants: frozenset[str] = frozenset()
    """At least these are searched."""
    not_constants: frozenset[str] = frozenset()
    doubt: str = ""
    """A word of what is said."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Files that git does not keep."""
    data: tuple[str, ...] = ()


REPOSITORIES = {
    "configurator that sets globals": Repository(
        {
            "train.py": loop(
                'print(f"step {1}: train loss {loss:.4f}, val loss {loss:.4f}")',
                "import sys\nout_dir = 'out'\nlearning_rate = 1e-3\nn_layer = 4\n"
                "exec(open('configurator.py').read())\n",
            ),
            "configurator.py": "import sys\nfor a in sys.argv[1:]:\n    if a.startswith('--'):\n"
            "        k, v = a[2:].split('=')\n        globals()[k] = v\n    else:\n        exec(open(a).read())\n",
            "config/small.py": "learning_rate = 3e-3\nbatch_size = 32\n",
            "config/big.py": "weight_decay = 0.1\n",
            "sample.py": "print('sampling')\nfor i in range(3):\n    print(i)\n",
            "README.md": "```\npython data/prepare.py\n```\n```\npython train.py config/small.py --n_layer=2\n```\n"
            "then\n\n    python sample.py\n",
            "data/prepare.py": "print('done')\nfor i in range(2):\n    pass\n",
        },
        "{python} train.py config/small.py --n_layer=2 --out_dir={out}", "val_loss", script="train.py",
        constants=frozenset({"batch_size"}), not_constants=frozenset({"weight_decay", "n_layer"}), doubt="prepare.py",
    ),
    "flat script that only its README names": Repository(
        {"two_layer_net.py": loop(), "README.md": "# Net\n\n    python two_layer_net.py\n"},
        "{python} two_layer_net.py", "val_loss",
    ),
    "flat script without a README": Repository({"two_layer_net.py": loop()}, "{python} two_layer_net.py", "val_loss"),
    "number without a name": Repository(
        {"regression.py": loop("print(epoch, loss.item())")}, "{python} regression.py", "loss", doubt="memorises"
    ),
    "README starts a script with a plainer name": Repository(
        {
            "main.py": loop(), "finetune.py": loop(),
            "README.md": "+ `python -u main.py --epochs 50`\n\nThen `python finetune.py --epochs 5`\n",
        },
        "{python} main.py", "val_loss",
    ),
    "Makefile starts it": Repository(
        {
            "experiment.py": loop(), "train_utils.py": loop(),
            "Makefile": "PYTHON = python3\nSCRIPT := experiment.py\n\ntrain:\n\t$(PYTHON) $(SCRIPT)\n",
        },
        "{python} experiment.py", "val_loss",
    ),
    "shell script with variables": Repository(
        {
            "run.sh": "#!/bin/sh\nCFG=conf/base.yaml\npython learn.py --config $CFG\n",
            "learn.py": loop(before="import argparse, yaml\np = argparse.ArgumentParser()\n"
                             "p.add_argument('--config', required=True)\n"),
            "conf/base.yaml": "dropout: 0.1\n", "conf/other.yaml": "weight_decay: 0.1\n",
        },
        "{python} learn.py --config conf/base.yaml", "val_loss", constants=frozenset({"dropout"}),
        not_constants=frozenset({"weight_decay"}),
    ),
    "package folder that is entered": Repository(
        {
            "README.md": "Install: `pip install -e .`\n\n    cd pkg\n    python train.py\n",
            "pkg/__init__.py": "", "data/x.txt": "1",
            "pkg/utils.py": 'def load(path="../data/x.txt"):\n    return open(path).read()\n',
            "pkg/train.py": "from pkg.utils import load\nload()\n" + loop(),
        },
        "cd pkg && PYTHONPATH=.. {python} train.py", "val_loss",
    ),
    "package folder whose data decides": Repository(
        {
            "gcn/__init__.py": "", "data/cora/x.txt": "1",
            "gcn/utils.py": 'def load(path="../data/cora/"):\n    return open(path + "x.txt").read()\n',
            "gcn/train.py": "from gcn.utils import load\nload()\n"
            + loop('print("loss_val: {:.4f}".format(loss.item()))'),
        },
        "cd gcn && PYTHONPATH=.. {python} train.py", "loss_val",
    ),
    "src layout": Repository(
        {
            "src/mynet/__init__.py": "", "src/mynet/model.py": "hidden_size = 64\n",
            "scripts/train.py": "import argparse, mynet.model\np = argparse.ArgumentParser()\n"
            "p.add_argument('--seed', type=int)\n" + loop(),
        },
        "PYTHONPATH=src {python} scripts/train.py --seed {seed}", "val_loss", constants=frozenset({"hidden_size"}),
    ),
    "module of a src layout": Repository(
        {
            "src/mynet/__init__.py": "", "src/mynet/model.py": "hidden_size = 64\n",
            "src/mynet/train.py": "from mynet.model import hidden_size\n" + loop(),
        },
        "PYTHONPATH=src {python} -m mynet.train", "val_loss",
    ),
    "two folders deep": Repository(
        {"experiments/vision/train_net.py": loop(), "lib/tools.py": "x = 1\n"},
        "{python} experiments/vision/train_net.py", "val_loss",
    ),
    "seed in an imported parser": Repository(
        {
            "opts.py": "import argparse\ndef parse():\n    p = argparse.ArgumentParser()\n"
            "    p.add_argument('--manual-seed', type=int, default=0)\n    p.add_argument('--save-dir')\n"
            "    p.add_argument('--lr', type=float, default=0.01)\n    p.add_argument('--batch-size', default=64)\n"
            "    return p.parse_args()\n",
            "main.py": "from opts import parse\nargs = parse()\n" + loop(lr="args.lr"),
        },
        "{python} main.py --manual-seed {seed} --save-dir {out}", "val_loss", constants=frozenset({"lr", "batch_size"}),
    ),
    "short spelling beside the long one": Repository(
        {
            "main.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--input-file', '-i')\n"
            "p.add_argument('--work-dir', '-o', default='out')\n" + loop(),
            "names.txt": "a\n", "README.md": "$ python main.py -i names.txt -o names\n",
        },
        "{python} main.py -i names.txt --work-dir {out}", "val_loss",
    ),
    "click": Repository(
        {
            "train.py": "import click\n@click.command()\n@click.option('--seed', default=0)\n"
            "@click.option('--lr', default=0.1)\ndef main(seed, lr):\n    pass\n" + loop() + "main()\n"
        },
        "{python} train.py --seed {seed}", "val_loss", constants=frozenset({"lr"}),
    ),
    "typer": Repository(
        {
            "train.py": "import typer\ndef main(seed: int = 0, out_dir: str = 'x'):\n    pass\n"
            + loop() + "typer.run(main)\n"
        },
        "{python} train.py --seed {seed} --out-dir {out}", "val_loss",
    ),
    "fire": Repository(
        {"train.py": "import fire\ndef main(seed=0, lr=1e-3):\n    pass\n" + loop() + "fire.Fire(main)\n"},
        "{python} train.py --seed {seed}", "val_loss", constants=frozenset({"lr"}),
    ),
    "absl flags": Repository(
        {"train.py": "from absl import flags\nflags.DEFINE_integer('seed', 0, 'x')\n" + loop()},
        "{python} train.py --seed={seed}", "val_loss",
    ),
    "dataclass parser of an RL script": Repository(
        {
            "ppo.py": "import tyro\nfrom dataclasses import dataclass\n@dataclass\nclass Args:\n    seed: int = 1\n"
            "    learning_rate: float = 2.5e-4\n"
            + loop('print(f"global_step={5}, episodic_return={loss}")') + "args = tyro.cli(Args)\n"
        },
        "{python} ppo.py --seed {seed}", "episodic_return", "max", constants=frozenset({"learning_rate"}),
    ),
    "Hydra": Repository(
        {
            "src/__init__.py": "",
            "src/train.py": "import hydra\nfrom src.net import Net\n"
            "@hydra.main(version_base=None, config_path='../configs', config_name='train.yaml')\n"
            "def main(cfg):\n    pass\n\n" + loop() + "if __name__ == '__main__':\n    main()\n",
            "src/net.py": "class Net:\n    def __init__(self, hidden=64):\n        pass\n",
            "src/data/digits.py": "class Digits:\n    def __init__(self, batch_size=32):\n        pass\n",
            "src/data/faces.py": "class Faces:\n    def __init__(self, weight_decay=0.1):\n        pass\n",
            "configs/train.yaml": "defaults:\n  - _self_\n  - data: digits\nseed: null\n",
            "configs/data/digits.yaml": "_target_: src.data.digits.Digits\nbatch_size: 64\n",
            "configs/data/faces.yaml": "_target_: src.data.faces.Faces\nweight_decay: 0.5\n",
            "README.md": "```\npython src/train.py trainer=cpu\n```\n",
        },
        "PYTHONPATH=. {python} src/train.py seed={seed} hydra.run.dir={out}", "val_loss",
        constants=frozenset({"hidden", "batch_size"}), not_constants=frozenset({"weight_decay"}),
    ),
    "metric in what another file prints": Repository(
        {
            "train.py": loop('print("done", loss.item())'),
            "other.py": 'acc = 0.3\nprint("rough accuracy: %s" % acc)\n',
        },
        "{python} train.py", None, doubt="no metric is printed by train.py",
    ),
    "metric printed by an imported trainer": Repository(
        {
            "train.py": "from engine import fit\nif __name__ == '__main__':\n    fit()\n",
            "engine.py": "def fit():\n    for epoch in range(3):\n        opt.step()\n"
            "        print(f'epoch {epoch} valid_acc {0.5:.3f} train_acc {0.9:.3f}')\n",
        },
        "{python} train.py", "valid_acc", "max",
    ),
    "progress bar of its own": Repository(
        {
            "main.py": "from utils import progress_bar\ndef test():\n"
            "    progress_bar(1, 2, 'Loss: %.3f | Acc: %.3f%% (%d/%d)' % (1, 2, 3, 4))\n" + loop("test()"),
            "utils.py": "import sys\ndef progress_bar(i, n, msg=None):\n    sys.stdout.write(msg)\n",
        },
        "{python} main.py", "acc", "max",
    ),
    "sentence, and a line that is printed once": Repository(
        {
            "train.py": "running = 0\nfor episode in range(1, 200):\n    optimizer.step()\n"
            "    if episode % 10 == 0:\n"
            "        print('Episode {}\\tLast reward: {:.2f}\\tAverage reward: {:.2f}'.format(1, 1, 2))\n"
            "    if running > 1000:\n"
            "        print('Solved! Running reward is now {} and the last episode runs to {} steps!'.format(1, 2))\n"
            "        break\n"
        },
        "{python} train.py", "average_reward", "max",
    ),
    "sentence alone": Repository(
        {"simple.py": loop('print(f"The RMSE of prediction is: {loss.item()}")')}, "{python} simple.py", "rmse"
    ),
    "sentence with a count in it": Repository(
        {"main.py": loop("print('Accuracy of the network on the 10000 test images: {} %'.format(97.5))")},
        "{python} main.py", "test_accuracy", "max",
    ),
    "meters": Repository(
        {"main.py": loop("top1 = AverageMeter('Acc@1', ':6.2f')\ntop5 = AverageMeter('Acc@5', ':6.2f')")},
        "{python} main.py", "acc@1", "max",
    ),
    "scikit-learn": Repository(
        {
            "classify.py": "from sklearn.linear_model import LogisticRegression\n"
            "from sklearn.metrics import accuracy_score\nmodel = LogisticRegression(C=1.0)\nmodel.fit(x, y)\n"
            "print(accuracy_score(y, model.predict(x)))\n"
        },
        "{python} classify.py", "accuracy", "max", constants=frozenset({"C"}),
    ),
    "Keras": Repository(
        {
            "mnist_cnn.py": "import keras\nbatch_size = 128\nmodel.compile(metrics=['accuracy'])\n"
            "model.fit(x, y, batch_size=batch_size, validation_split=0.1)\n"
        },
        "{python} mnist_cnn.py", "val_loss", constants=frozenset({"batch_size"}),
    ),
    "Lightning": Repository(
        {
            "train.py": "import lightning as L\nfrom net import Net\nL.seed_everything(1)\ntrainer = L.Trainer()\n"
            "trainer.fit(Net())\n",
            "net.py": "class Net:\n    def __init__(self, lr=1e-3): pass\n    def validation_step(self, b, i):\n"
            "        self.log('val/acc', 0.5, prog_bar=True)\n",
        },
        "{python} train.py", "val_acc", "max", constants=frozenset({"lr"}),
    ),
    "XGBoost": Repository(
        {
            "boost.py": "import xgboost as xgb\nparams = {'max_depth': 6, 'eta': 0.3, 'eval_metric': 'auc'}\n"
            "xgb.train(params, d, 10, evals=[(d, 'train'), (e, 'eval')])\n"
        },
        "{python} boost.py", "eval_auc", "max",
    ),
    "script called like a test": Repository(
        {"mnist_test.py": loop(), "test_units.py": "def test_one():\n    assert True\n"},
        "{python} mnist_test.py", "val_loss",
    ),
    "data beside the project, ignored": Repository(
        {
            "lm/train.py": "rows = open('../corpora/rows.txt')\n" + loop(), ".gitignore": "corpora/\n",
        },
        "cd lm && {python} train.py", "val_loss", ignored={"corpora/rows.txt": "x"}, data=("corpora",),
    ),
    "words that look like a home folder": Repository(
        {
            "train.py": loop(before="note = '~5 minutes'\nother = '~=3.10'\n"),
            "conf.yaml": "lr: 0.1\npython: '~3.10'\n", "pyproject.toml": '[project]\nrequires-python = "~=3.10"\n',
        },
        "{python} train.py", "val_loss",
    ),
    "karpathy's autoresearch": Repository(
        {
            "train.py": loop('print(f"val_bpb:          {loss:.6f}")', "EMBEDDING_LR = 0.6\n"),
            "prepare.py": "print('ready')\nfor i in range(2):\n    pass\n",
            "program.md": "## Experimentation\n\nYou launch it simply as: `uv run train.py`.\n\n"
            "**What you CAN do:**\n- Modify `train.py`, the only file you edit.\n\n"
            "**What you CANNOT do:**\n- Modify `prepare.py`. It is read-only.\n\n"
            "**The goal is simple: get the lowest val_bpb.**\n",
        },
        "{python} train.py", "val_bpb", constants=frozenset({"EMBEDDING_LR"}),
    ),
    "pi-autoresearch, flat": Repository(
        {
            "autoresearch.sh": "#!/bin/bash\nset -e\nacc=$(python fit.py --seed ${SEED:-1})\n"
            'echo "METRIC accuracy=$acc"\n',
            "autoresearch.checks.sh": "python -m py_compile fit.py\n",
            "autoresearch.md": "# Goal\n## Metrics\n- **Primary**: accuracy (%, higher is better)\n"
            "## Files in Scope\n- `fit.py`: the model\n## Off Limits\n- `data.py`\n",
            "autoresearch.ideas.md": "- [ ] a wider net\n- [x] done already\n- try dropout\n  in the middle\n",
            "fit.py": loop("print(0.5)", "hidden = 32\n"), "data.py": "x = 1\n",
        },
        "SEED={seed} bash autoresearch.sh && bash autoresearch.checks.sh", "accuracy", "max",
        constants=frozenset({"hidden"}),
    ),
    "pi-autoresearch, in a folder": Repository(
        {
            ".auto/measure.sh": "python fit.py\n",
            ".auto/prompt.md": "## Metrics\n- **Primary**: `train_seconds` (s, lower is better)\n",
            ".auto/ideas.md": "1. fuse the loops\n", "fit.py": loop(),
        },
        "bash .auto/measure.sh", "train_seconds",
    ),
}  # fmt: skip
