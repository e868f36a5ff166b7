from __future__ import annotations

from propose.fabricated import Bench, config

from autogit.config.space import Choice, Range
from autogit.propose.search.hyperparameters import HyperparameterProposer
from autogit.propose.search.parameters import widened
from autogit.propose.search.setting import Search

TRAIN = """\
learning_rate = 3e-4
beta2 = 0.95
n_embd = 128
n_layer = 3
dropout = 0.1
use_bias = True
seed = 1337
max_steps = 500
eval_interval = 50
data_path = "x.txt"
_private = 0.5
warm = 0.3


def scale(x, alpha=0.7):
    return x * alpha
"""


def test_constants_get_ranges_that_suit_their_names_and_values() -> None:
    space = config("discover = true\nwarm = [0.1, 0.3]").space
    assert widened(space, {"train.py": TRAIN}, "python train.py").parameters == {
        "warm": Choice((0.1, 0.3)),
        "learning_rate": Range(3e-5, 3e-3, log=True),
        "beta2": Choice((0.8, 0.9, 0.95, 0.98, 0.99, 0.999)),
        "n_embd": Choice((32, 64, 128, 256, 512)),
        "n_layer": Range(1, 6, integer=True),
        "dropout": Range(0.0, 0.5),
        "use_bias": Choice((False, True)),
    }


def test_nothing_is_discovered_unless_asked() -> None:
    space = config("warm = [0.1, 0.3]").space
    assert widened(space, {"train.py": TRAIN}, "python train.py") is space


def test_what_is_discovered_is_proposed() -> None:
    bench = Bench({"train.py": TRAIN}, config("discover = true"))
    proposal = HyperparameterProposer().propose(bench.context())
    assert proposal is not None
    assert proposal.parameters.keys() <= Search.of(bench.context()).found.parameters.keys()


def test_without_a_declared_parameter_literals_inside_functions_and_calls_are_searched_if_there_are_few_others() -> (
    None
):
    code = "def main(dropout=0.1):\n    opt = Adam(net(hidden=64, padding=1, flag=True), lr=1e-3)\n"
    assert widened(config("").space, {"train.py": code}, "python train.py").parameters.keys() == {
        "dropout", "hidden", "lr",
    }  # fmt: skip
    assert widened(config("discover = false").space, {"train.py": code}, "python train.py").parameters == {}
