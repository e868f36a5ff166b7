"""The budget: what a step costs, by the formula and by the counter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from cheats.cheat import NUMPY
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


LOOP = "model.train()\nstart = time.perf_counter()\n"


def inside(copy: Path, before: str, after: str) -> None:
    """Puts the whole training, as it is shipped, between two pieces of code, as the body of a function `work`."""
    path = copy / "train.py"
    head, rest = path.read_text().split(LOOP)
    loop, end = rest.split("seconds = time.perf_counter() - start\n")
    body = "".join("    " + line for line in (LOOP + loop).splitlines(keepends=True))
    path.write_text(
        f"{head}{before}def work():\n    global start, done, monitored\n{body}\n{after}seconds = 1.0\n{end}"
    )


def test_training_in_a_thread_costs_as_much(copy: Path) -> None:
    plain = python(copy, "budget.py", "--flops", "8e10").stdout
    inside(copy, "import threading\n", "worker = threading.Thread(target=work)\nworker.start()\nworker.join()\n")
    done = python(copy, "budget.py", "--flops", "8e10")
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import os\n", "done, monitored = 1, 1.0\nif os.fork() == 0:\n    work()\n    os._exit(0)\nos.wait()\n"),
        (
            "import _thread\n",
            "lock = _thread.allocate_lock()\nlock.acquire()\n"
            "_thread.start_new_thread(lambda: (work(), lock.release()), ())\nlock.acquire()\n",
        ),
    ],
    ids=["another process", "a thread that Python does not know"],
)
def test_training_that_is_not_counted_has_no_budget(copy: Path, before: str, after: str) -> None:
    inside(copy, before, after)
    done = python(copy, "budget.py", "--flops", "8e10")
    assert done.returncode == 1 and "steps:" not in done.stdout
    assert "0 FLOPs were counted" in done.stderr


def test_products_that_are_made_outside_of_torch_have_no_budget(copy: Path) -> None:
    with (copy / "model.py").open("a") as file:
        file.write(NUMPY)
    done = python(copy, "budget.py", "--flops", "8e10")
    assert done.returncode == 1 and "fewer than parameters times bytes" in done.stderr


def test_recurrent_layers_are_counted(copy: Path) -> None:
    """An LSTM in the place of attention: four products of width by width for its input, four for its state."""
    width, context, batch, layers = 64, 64, 8, 2
    text = (copy / "model.py").read_text()
    text = text.replace("self.query = nn.Linear(config.n_embd, config.n_embd)",
                        "self.memory = nn.LSTM(config.n_embd, config.n_embd, batch_first=True)")  # fmt: skip
    text = text.replace("        B, T, C = x.shape\n", "        return self.memory(x)[0]\n        B, T, C = x.shape\n")
    (copy / "model.py").write_text(text)
    done = python(copy, "budget.py", "--flops", "8e10")
    assert done.returncode == 0, done.stderr
    one_step = 3 * 2 * batch * context * (layers * 16 * width * width + width * 256)
    assert values(done.stdout)["flops_per_step"] == str(one_step)
