"""New files that protected code would import in the place of an installed module."""

from __future__ import annotations

import pytest

from autogit.config.model import Budget, Config, Evaluate, Train
from autogit.errors import PatchError
from autogit.patch import check_shadows

CONFIG = Config(
    train=Train(command="python train.py", editable=("**/*.py",), protected=("pkg/evaluate.py", "checks/")),
    evaluate=Evaluate(command="{python} scoring/score.py --out {out}"),
    budget=Budget(flops=1e9, command="{python} budget.py --flops {flops}"),
)


@pytest.mark.parametrize(
    "path",
    [
        "json.py", "pkg/json.py", "pkg/argparse/__init__.py", "checks/random.py", "scoring/numpy.py",
        "scoring/numpy/__init__.py", "pkg/sitecustomize.py", "scoring/struct.cpython-311-x86_64-linux-gnu.so",
    ],
)  # fmt: skip
def test_a_module_beside_protected_code_may_not_hide_an_installed_one(path: str) -> None:
    with pytest.raises(PatchError, match="give the new file another name"):
        check_shadows([path], CONFIG)
    with pytest.raises(PatchError, match=r"^lab/"):
        check_shadows([f"lab/{path}"], CONFIG, "lab/")


@pytest.mark.parametrize(
    "path", ["rotary.py", "pkg/rotary.py", "pkg/parts/types.py", "other/json.py", "pkg/json.txt", "pkg/json/data.py"]
)
def test_any_other_new_file_may_come(path: str) -> None:
    check_shadows([path], CONFIG)


def test_protected_files_anywhere_protect_every_folder() -> None:
    config = Config(train=Train(command="python train.py", editable=("**/*.py",), protected=("**/evaluate.py",)))
    with pytest.raises(PatchError):
        check_shadows(["any/where/json.py"], config)
