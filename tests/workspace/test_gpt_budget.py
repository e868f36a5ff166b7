"""The budget: what a step costs, by the formula and by the counter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from workspace.gpt import python, values


def edit(folder: Path, name: str, value: int) -> None:
    path = folder / "train.py"
    lines = [f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in path.read_text().split("\n")]
    path.write_text("\n".join(lines))


def test_counts_what_the_formula_says_attention_included(copy: Path) -> None:
    layers, width, context, batch = 3, 32, 16, 5
    for name, value in {"n_layer": layers, "n_embd": width, "block_size": context, "batch_size": batch}.items():
        edit(copy, name, value)
    matrices = 2 * batch * context * (layers * 12 * width * width + width * 256)
    attention = layers * 4 * batch * context * context * width
    # Backward: twice the forward for a matrix product, two and a half times for attention, which is computed again.
    one_step = 3 * matrices + 3.5 * attention
    done = python(copy, "budget.py", "--flops", str(100.5 * one_step))
    assert done.returncode == 0, done.stderr
    assert values(done.stdout) == {"flops_per_step": f"{one_step:.0f}", "steps": "100"}


def test_code_that_does_not_train_has_no_budget(copy: Path) -> None:
    (copy / "model.py").write_text("1 / 0\n")
    done = python(copy, "budget.py", "--flops", "1e10")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr and done.stdout == ""


def test_steps_have_limits(modules: SimpleNamespace) -> None:
    assert modules.budget.steps_for(1e9, 1e7) == 100
    assert modules.budget.steps_for(1e18, 1.0) == modules.budget.MOST_STEPS
    with pytest.raises(ValueError, match="one step costs 1e\\+07 FLOPs"):
        modules.budget.steps_for(1e7, 1e7)
