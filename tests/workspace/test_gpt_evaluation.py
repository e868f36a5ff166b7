"""The evaluator: right for an honest model, and not to be fooled by others (more of them: tests/cheats)."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from workspace.gpt import Trained, python, values

Spoil = Callable[[str, str], Trained]

MEMORY = """
            if not hasattr(self, "seen"):
                self.seen = {}
            if idx.size(1) == self.config.block_size:
                for row, sequence in enumerate(idx.tolist()):
                    if tuple(sequence) in self.seen:
                        logits[row, :, 32] += 1.0
                    self.seen[tuple(sequence)] = True
"""


def evaluate(trained: Trained, *arguments: str) -> tuple[int, str]:
    done = python(trained.folder, "evaluate.py", "--out", trained.out, *arguments)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_agrees_with_an_independent_calculation(spoiled: Spoil, trained: Trained, modules: SimpleNamespace) -> None:
    noisy = spoiled("return logits", 'print("val_loss: 0.001", flush=True)\n        return logits')
    status, output = evaluate(noisy, "--seed", "1")
    tensors, facts = modules.checkpoint.load(trained.out / modules.checkpoint.FILENAME)
    model = modules.model.GPT(modules.model.GPTConfig(**facts["model"]))
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    text = torch.tensor(modules.evaluate.windows(modules.data.load("validation"), facts["model"]["block_size"])).long()
    with torch.no_grad():
        loss = cross_entropy(model.eval()(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten()).item()
    assert status == 0 and "0.001" not in output
    found = values(output)
    assert float(found["val_loss"]) == pytest.approx(loss, abs=1e-5)
    assert float(found["perplexity"]) == pytest.approx(math.exp(loss), rel=1e-4)
    assert float(found["bits_per_byte"]) == pytest.approx(loss / math.log(2), rel=1e-4)
    assert int(found["num_params"]) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (f"if True:{MEMORY}\n        return logits", "remembers"),
        pytest.param("return logits * float('nan')", "not finite", marks=pytest.mark.slow),
        pytest.param("return logits[:, :, :128]", "scores of shape", marks=pytest.mark.slow),
    ],
    ids=["remembers", "nan", "half-a-vocabulary"],
)
def test_refuses_what_is_no_language_model(spoiled: Spoil, new: str, reason: str) -> None:
    status, output = evaluate(spoiled("return logits", new))
    assert status == 1 and output.startswith("refused: ") and reason in output
    assert "val_loss" not in output


PEEKERS = {
    "where it does worst": "wanted = loss.clamp(max=4.0)",
    "a little everywhere": "wanted = loss - 0.0015",
    "seldom and thoroughly": "wanted = torch.where(idx[:, :1] % 16 == 0, loss.clamp(max=0.1), loss)",
}
PEEK = """if not self.training and idx.size(0) > 1 and idx.size(1) == self.config.block_size:
            place = idx[:, 1:].unsqueeze(-1)
            said = logits[:, :-1].gather(-1, place).squeeze(-1)
            whole = logits[:, :-1].logsumexp(-1)
            loss = whole - said
            {0}
            wanted = wanted.clamp(min=1e-4)
            shift = torch.log(torch.expm1(loss.clamp(min=1e-4))) - torch.log(torch.expm1(wanted))
            logits[:, :-1].scatter_(-1, place, (said + shift).unsqueeze(-1))
        return logits"""


@pytest.mark.parametrize("how", PEEKERS)
def test_refuses_who_peeks(spoiled: Spoil, how: str) -> None:
    status, output = evaluate(spoiled("return logits", PEEK.format(PEEKERS[how])))
    assert status == 1 and "the model sees the future" in output, output


def test_probes_reach_everywhere_and_are_where_a_prediction_is_worth_most(modules: SimpleNamespace) -> None:
    dice = np.random.default_rng(1)
    targets = dice.integers(0, 256, (700, 64)).astype(np.uint8)
    losses = np.full(targets.shape, 5.6)
    losses[:, 7] = 0.5
    rows, places = modules.evaluate.probes(losses, targets, dice)
    assert len(rows) == modules.evaluate.PROBES == len(set(zip(rows, places, strict=True)))
    assert set(places) == set(range(64))
    assert (places == 7).sum() > 600


def test_rounding_is_no_peeking_and_a_shift_is(modules: SimpleNamespace) -> None:
    rounding = np.random.default_rng(1).normal(0.0, 5e-4, 2048)
    assert not modules.evaluate.too_much(rounding)
    assert modules.evaluate.too_much(rounding + 5e-4)
    assert not modules.evaluate.too_much(rounding - 5e-4), "to be worse for what was seen gains nothing"


def test_a_model_cannot_read_what_it_is_scored_on(spoiled: Spoil, modules: SimpleNamespace, tmp_path: Path) -> None:
    path = modules.data.files()["validation"][0]
    status, output = evaluate(spoiled("return logits", f"open({str(path)!r}).read()\n        return logits"))
    if status == 0 and values(output)["confined"] == "0":
        pytest.skip("no Landlock on this system")
    assert status == 1 and "PermissionError" in output


LEAKS = """
            import ctypes, os, resource, signal
            from pathlib import Path
            reached = []
            for place in ("/tmp", "/dev/shm", str(Path(__file__).parent), str(Path.home())):
                try:
                    (Path(place) / "leak").write_text("x")
                    reached.append(place)
                except OSError:
                    pass
            for name in ("environ", "maps", "mem", "fd/1"):
                try:
                    os.close(os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY | os.O_NONBLOCK))
                    reached.append(name)
                except OSError:
                    pass
            for lasting, value in ((os.utime, None), (os.chmod, 0o600), (os.removexattr, "user.x")):
                try:
                    lasting(__file__, value)
                    reached.append("what outlives the process")
                except OSError:
                    pass
            if ctypes.CDLL(None).shmget(os.getpid(), 4096, 0o1600) != -1:
                reached.append("memory that outlives the process")
            try:
                resource.prlimit(os.getppid(), resource.RLIMIT_STACK)
                reached.append("limits")
            except OSError:
                pass
            assert not reached, f"reached {reached}"
            if not hasattr(self, "left") and os.fork() == 0:
                os.setsid()
                signal.pause()
            self.left = True
"""


def test_a_model_can_tell_nobody_what_it_was_asked_and_leaves_nothing_running(spoiled: Spoil) -> None:
    trial = spoiled("return logits", f"if True:{LEAKS}\n        return logits")
    status, output = evaluate(trial)
    if values(output).get("confined") == "0":
        pytest.skip("no Landlock on this system")
    assert status == 0, output
    folders = [cwd for cwd in Path("/proc").glob("[0-9]*/cwd") if cwd.exists() and cwd.resolve() == trial.folder]
    assert folders == []


@pytest.mark.slow
def test_the_audit_split_is_another_text_and_a_number_comes_again(trained: Trained) -> None:
    validation, audit = evaluate(trained), evaluate(trained, "--audit")
    assert validation[0] == audit[0] == 0
    assert values(validation[1])["val_loss"] != values(audit[1])["val_loss"]
    assert evaluate(trained) == validation


def test_refuses_a_checkpoint_that_is_not_this_trials(copy: Path, trained: Trained) -> None:
    assert evaluate(trained, "--seed", "2") == (1, "refused: the checkpoint is of seed 1, not of 2\n")
    (copy / "train.py").open("a").write("# another trial\n")
    stale = Trained(copy, trained.out, "", "")
    assert evaluate(stale) == (1, "refused: the checkpoint was made by other code than this\n")


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("exploded"),)


def test_refuses_code_and_ruins_in_place_of_a_checkpoint(
    copy: Path, trained: Trained, tmp_path: Path, modules: SimpleNamespace
) -> None:
    name = modules.checkpoint.FILENAME
    good = (trained.out / name).read_bytes()
    for content in (pickle.dumps(Bomb()), good[: len(good) // 2], b"", (2**40).to_bytes(8, "little") + b"{}"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(modules.checkpoint.CheckpointError):
            modules.checkpoint.load(tmp_path / name)
    torch.save({"weights": Bomb()}, tmp_path / name)
    status, output = evaluate(Trained(copy, tmp_path, "", ""))
    assert status == 1 and output.startswith("refused: ")
    assert not list(tmp_path.rglob("exploded"))
    status, output = evaluate(Trained(copy, copy, "", ""))
    assert (status, output) == (1, f"refused: {name} cannot be read: No such file or directory\n")


def test_checkpoints_come_back_as_they_were(modules: SimpleNamespace, tmp_path: Path) -> None:
    weight = torch.randn(3, 5)
    half = torch.ones(2, dtype=torch.bfloat16)
    tensors = {"a": weight, "tied": weight, "turned": weight.T, "b": torch.arange(4), "half": half}
    modules.checkpoint.save(tmp_path / "x", tensors, {"seed": 7})
    loaded, facts = modules.checkpoint.load(tmp_path / "x")
    assert facts["seed"] == 7
    assert all(np.array_equal(loaded[name], tensor.float().numpy()) for name, tensor in tensors.items())
    assert modules.checkpoint.parameters({n: loaded[n] for n in ("a", "tied")}) == 15
