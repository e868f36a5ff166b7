"""Name -> search range: one answer for `init` and for discovery, and what a command line fixes is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.config.ranges import by_name, by_value
from autogit.config.space import Choice, Domain, Range, Space
from autogit.propose.search.parameters import find, fixed

NAMES = (
    "lr", "learning_rate", "min_lr", "weight_decay", "alpha", "dropout", "attn_drop", "label_smoothing",
    "drop_path_rate",
    "momentum", "beta1", "beta2", "ema_decay", "batch_size", "hidden", "n_embd", "d_model", "nhid", "n_layer", "depth",
    "n_head", "warmup_steps", "grad_clip", "max_grad_norm",
)  # fmt: skip


def holds(domain: Domain, value: float) -> bool:
    if isinstance(domain, Choice):
        return value in domain.values and len(domain.values) > 1
    return isinstance(domain, Range) and domain.low <= value <= domain.high and domain.low < domain.high


@given(st.sampled_from(NAMES), st.one_of(st.integers(0, 4096), st.floats(1e-6, 100.0)))
def test_a_range_holds_the_present_value_and_something_else(name: str, value: float) -> None:
    domain = by_name(name, value)
    if domain is None:
        return
    # Ends of a range are written with three digits.
    assert holds(domain, value) or (isinstance(domain, Range) and domain.low <= float(f"{value:.3g}") <= domain.high)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 0.1, 0.9, 0.95, 0.999, 1.0, 3, 4, 12, 64, 384])
def test_init_and_discovery_give_one_answer(name: str, value: float) -> None:
    named = by_name(name, value)
    assert named is None or by_value(name, value) == named


def test_what_costs_compute_or_is_measured_is_not_discovered() -> None:
    for name in ("max_steps", "eval_batch_size", "seed", "num_workers", "val_split", "_scale", "epochs"):
        assert by_value(name, 8) is None and by_value(name, 0.5) is None
    assert by_value("scale", 0.5) == Range(0.05, 5.0, log=True) and by_value("C", 1.0) and by_name("C", 1.0) is None
    assert by_name("C", 1.0, argument=True) == Range(0.1, 10.0, log=True)


@pytest.mark.parametrize(
    ("command", "is_fixed"),
    [
        ("python train.py --n_layer=1", True),
        ("python train.py --n-layer 1", True),
        ("python train.py model.n_layer=1", True),
        ("python train.py +model.n_layer=1", True),
        ("python train.py --model.n_layer 1", True),
        ("python train.py --n_layers=1", False),
        ("python n_layer.py", False),
        ("python train.py --config n_layer.yaml", False),
        ("python train.py --my_n_layer 1", False),
    ],
)
def test_what_the_command_line_fixes_is_not_searched(command: str, is_fixed: bool) -> None:
    assert fixed("n_layer", command) is is_fixed
    found = find(Space({"n_layer": Choice((1, 2))}), {"train.py": "n_layer = 2\n"}, command)
    assert ("n_layer" not in found.parameters) is is_fixed
    assert any("on the command line" in problem for problem in found.problems) is is_fixed
