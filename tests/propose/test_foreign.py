"""The catalogue on code that is not ours: a pattern trains one step there, or it does not apply."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from autogit.propose.patterns import catalogue
from autogit.propose.rewriting import rewrite

FOREIGN = Path(__file__).parent / "foreign"
SCRIPTS = sorted(folder.name for folder in FOREIGN.iterdir() if folder.is_dir())


def read(name: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((FOREIGN / name).glob("*.py"))}


def entry(files: dict[str, str]) -> str:
    return "train.py" if "train.py" in files else "main.py"


def trained(files: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the script prints while it trains one step, in this process."""
    capsys.readouterr()
    for path in files:
        monkeypatch.delitem(sys.modules, path.removesuffix(".py"), raising=False)
    for path, text in files.items():
        if path != entry(files) and "__main__" not in text:
            module = types.ModuleType(path.removesuffix(".py"))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(text, path, "exec"), module.__dict__)
    monkeypatch.setattr(sys, "argv", [entry(files)])
    exec(compile(files[entry(files)], entry(files), "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_pattern_trains_one_step_or_does_not_apply(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = read(name)
    assert "val_loss" in trained(files, monkeypatch, capsys)
    broken = {}
    for pattern in catalogue():
        changed = rewrite(pattern, files, f"python {entry(files)}")
        if changed is None:
            continue
        assert all(path == entry(files) or "__main__" not in files[path] for path in changed), "does not run"
        try:
            printed = trained(files | changed, monkeypatch, capsys)
            assert "val_loss" in printed and "nan" not in printed
        except Exception as error:
            broken[pattern.name] = repr(error)
    assert not broken


def applying(name: str) -> set[str]:
    files = read(name)
    return {p.name for p in catalogue() if rewrite(p, files, f"python {entry(files)}") is not None}


def test_there_are_enough_scripts_and_the_catalogue_is_of_use_there() -> None:
    assert len(SCRIPTS) >= 8
    assert sum(bool(applying(name)) for name in SCRIPTS) >= 8


def test_tied_weights_are_seen_whichever_way_round_they_are_tied() -> None:
    assert "weight-tying" not in applying("nanogpt") | applying("llama") | applying("wordlm")
    assert "weight-tying" in applying("lecture_gpt") & applying("mingpt")


def test_nothing_is_changed_where_an_option_leads_elsewhere() -> None:
    files = read("cifar_resnet")
    pattern = next(p for p in catalogue() if p.name == "fused-adamw")
    assert rewrite(pattern, files, "python main.py --lr 0.1") is None
    assert rewrite(pattern, files, "python main.py --optimizer adamw") is not None
    assert "fused-adamw" not in applying("wordlm")


def test_a_module_that_the_script_does_not_import_is_left_alone() -> None:
    files = read("nanogpt")
    pattern = next(p for p in catalogue() if p.name == "adam-epsilon")
    assert rewrite(pattern, files, "python train.py") is None
    assert rewrite(pattern, files, "python sample.py") is not None
