"""The catalogue on the shipped workspace: every pattern applies, trains, and sees no future; and a person's own."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from propose.fabricated import Bench
from shipped import SHIPPED

from autogit.config.load import parse
from autogit.config.model import Config, Train
from autogit.config.patterns import Edit, Pattern
from autogit.propose.patterns import PatternProposer, available, catalogue
from autogit.propose.rewriting import rewrite

FILES = {name: (SHIPPED / name).read_text() for name in ("train.py", "model.py")}
NAMES = [pattern.name for pattern in catalogue()]


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """Runs (changed) workspace files in this process for a few steps and gives the trained module's names."""
    monkeypatch.syspath_prepend(str(SHIPPED))
    monkeypatch.setattr(sys, "argv", ["train.py", "--seed", "1", "--steps", "3", "--out", str(tmp_path)])
    known = set(sys.modules)

    def run(files: dict[str, str]) -> dict[str, object]:
        model = types.ModuleType("model")
        monkeypatch.setitem(sys.modules, "model", model)
        exec(compile(files["model.py"], "model.py", "exec"), model.__dict__)
        names: dict[str, object] = {"__name__": "__main__"}
        exec(compile(files["train.py"], "train.py", "exec"), names)
        return names

    yield run
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", "") and str(SHIPPED) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_the_catalogue_is_large_and_each_entry_has_its_source() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 25
    assert all(pattern.source and pattern.title and pattern.why for pattern in catalogue())


@pytest.mark.parametrize("name", NAMES)
def test_it_applies_trains_and_stays_causal(name: str, training, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = next(p for p in catalogue() if p.name == name)
    changed = rewrite(pattern, FILES)
    assert changed, "finds no place in the shipped workspace"
    names = training(FILES | changed)
    printed = capsys.readouterr().out
    assert "step 3 loss" in printed and "nan" not in printed
    model = names["model"]
    assert isinstance(model, torch.nn.Module)
    model.eval()
    tokens = torch.randint(256, (2, 32), generator=torch.Generator().manual_seed(0))
    later = tokens.clone()
    later[:, 20:] = (later[:, 20:] + 1) % 256
    with torch.no_grad():
        assert torch.allclose(model(tokens)[:, :20], model(later)[:, :20], atol=1e-5), "sees the future"
        assert not torch.allclose(model(tokens)[:, 20:], model(later)[:, 20:], atol=1e-5), "sees nothing at all"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_not_made_twice_on_the_same_place(name: str) -> None:
    """What was found is gone afterwards, or `unless` says that it is done, or a second time gives other code."""
    pattern = next(p for p in catalogue() if p.name == name)
    once = FILES | (rewrite(pattern, FILES) or {})
    again = rewrite(pattern, once)
    assert again is None or (FILES | again) == once or name in REPEATABLE


REPEATABLE = {"stochastic-depth", "z-loss", "sequence-length-warmup"}


def test_a_person_adds_one_in_the_configuration() -> None:
    config = parse("""
catalogue = false
[train]
command = "python train.py"
[[pattern]]
name = "sgd"
title = "Plain SGD"
source = "mine"
edits = [{ find = "Adam($$$A, lr=$L)", replace = "SGD($$$A, lr=10 * $L)" }]
""")
    (pattern,) = available(config)
    head = "from o import SGD, Adam\n"
    assert rewrite(pattern, {"a.py": head + "opt = Adam(model.parameters(), lr=3e-4)  # the step\n"}) == {
        "a.py": head + "opt = SGD(model.parameters(), lr=10 * 3e-4)  # the step\n"
    }


def test_what_more_recipes_use_is_usually_tried_sooner_but_not_always() -> None:
    usual = Pattern("usual", "t", "s", (Edit("a = 1", "a = 2"),), adopted=("one", "two", "three"))
    odd = Pattern("odd", "t", "s", (Edit("b = 1", "b = 2"),))
    config = replace(Config(Train("python train.py")), pattern=(odd, usual), catalogue=False)
    first = []
    for seed in range(40):
        lab = Bench({"train.py": "a = 1\nb = 1\n"}, config, seed)
        proposal = PatternProposer().propose(lab.context())
        assert proposal is not None
        first.append(proposal.operator)
    assert 24 <= first.count("usual") <= 36


def test_a_variant_applies_whole_or_not_at_all() -> None:
    pattern = Pattern("x", "X", "s", (Edit("a()", "b()"), Edit("missing()", "c()")))
    assert rewrite(pattern, {"m.py": "a()\n"}) is None


def test_insertion_keeps_the_indentation_and_the_rest_to_the_byte() -> None:
    head = "from m import a, b, c, d, loss, opt, x\n"
    text = head + "with x:\n    for e in d:\n        loss.backward()  # é\n        opt.step()\n"
    pattern = Pattern("x", "X", "s", (Edit("loss.backward()", before="if a:\n    b()", after="c()"),))
    assert rewrite(pattern, {"m.py": text}) == {
        "m.py": text.replace(
            "        loss.backward()  # é\n",
            "        if a:\n            b()\n        loss.backward()\n        c()  # é\n",
        )
    }


def test_the_documentation_lists_the_whole_catalogue() -> None:
    page = (Path(__file__).parents[2] / "docs" / "patterns.md").read_text()
    rows = [f"| `{p.name}` | {p.title} | {p.source} |" for p in catalogue()]
    assert "\n".join(rows) in page
