"""Training: the same again for the same seed, with hidden data, and nothing on the error stream."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from workspace.gpt import STEPS, Trained, python, values

HIDDEN = """
import runpy, sys, data
from isolation import hide
if not hide(data.masked()):
    sys.exit(3)
runpy.run_path("train.py", run_name="__main__")
"""


def test_prints_steps_with_a_monitor_and_a_closing_block(trained: Trained) -> None:
    steps = re.findall(r"^step (\d+) loss \d+\.\d+ monitor \d+\.\d+$", trained.output, re.MULTILINE)
    assert [int(step) for step in steps] == list(range(1, STEPS + 1))
    closing = values(trained.output.partition("---\n")[2])
    assert {"monitor_loss", "training_seconds", "throughput_tokens_per_sec", "num_params"} <= closing.keys()
    assert trained.errors == ""


def test_the_same_seed_gives_the_same_bits_though_the_held_out_text_is_hidden(
    trained: Trained, tmp_path: Path, modules: SimpleNamespace
) -> None:
    again = python(trained.folder, "-c", HIDDEN, "--seed", "1", "--steps", str(STEPS), "--out", tmp_path)
    if again.returncode == 3:
        pytest.skip("no Landlock on this system")
    assert again.returncode == 0, again.stderr
    name = modules.checkpoint.FILENAME
    assert (tmp_path / name).read_bytes() == (trained.out / name).read_bytes()


def test_another_seed_gives_another_model_and_other_text(trained: Trained, tmp_path: Path) -> None:
    other = python(trained.folder, "train.py", "--seed", "2", "--steps", "2", "--out", tmp_path)
    first = re.compile(r"^step 1 .*", re.MULTILINE)
    assert first.findall(other.stdout) != first.findall(trained.output)


def test_first_values_do_not_depend_on_the_rest_of_the_architecture(modules: SimpleNamespace) -> None:
    def first_values(**changes: int) -> dict[str, torch.Tensor]:
        plain = {"block_size": 8, "vocab_size": 256, "n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.0}
        model = modules.model.GPT(modules.model.GPTConfig(**{**plain, **changes}))
        modules.model.initialize(model, 1)
        return dict(model.named_parameters())

    plain, longer, deeper = first_values(), first_values(block_size=16), first_values(n_layer=3)
    assert all(torch.equal(plain[name], longer[name]) for name in plain if name != "wpe.weight")
    assert all(torch.equal(plain[name], deeper[name]) for name in plain if not name.endswith("proj.weight"))
    assert not torch.equal(plain["blocks.0.mlp.fc.weight"], plain["blocks.1.mlp.fc.weight"])


def test_the_model_sees_the_past_alone(modules: SimpleNamespace) -> None:
    model = modules.model.GPT(modules.model.GPTConfig(8, 256, 2, 2, 16, 0.0)).eval()
    modules.model.initialize(model, 1)
    text = torch.arange(8)[None]
    changed = torch.where(torch.arange(8) < 5, text, text + 100)
    with torch.no_grad():
        assert torch.allclose(model(text)[:, :5], model(changed)[:, :5], atol=1e-6)
        assert not torch.allclose(model(text)[:, 5:], model(changed)[:, 5:], atol=1e-3)
