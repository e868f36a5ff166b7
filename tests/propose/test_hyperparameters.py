from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose.fabricated import Bench, config
from propose.laboratory import Laboratory

from autogit.propose.search.hyperparameters import HyperparameterProposer
from autogit.propose.search.parameters import edited, find
from autogit.propose.search.setting import Search
from autogit.records import Verdict

TRAIN = """\
learning_rate = 3e-4  # peak
weight_decay = 0.1
n_embd = 128
n_head = 4
dropout = 0.0
betas = (0.9, 0.95)
"""

SPACE = """
learning_rate = { low = 1e-5, high = 1e-2, log = true }
weight_decay = [0.0, 0.01, 0.1]
n_embd = { low = 64, high = 256, step = 2 }
n_head = [2, 3, 4, 8]
dropout = { low = 0.0, high = 0.3 }
betas = [[0.9, 0.95], [0.9, 0.99], [0.95, 0.99]]
constraints = ["n_embd % n_head == 0", "n_embd >= 16 * n_head"]
"""


def test_a_proposal_changes_one_value_and_says_which() -> None:
    proposal = HyperparameterProposer().propose(
        Bench({"train.py": TRAIN}, config("learning_rate = [3e-4, 1e-3]")).context()
    )
    assert proposal is not None
    assert proposal.title == "learning_rate 0.0003 -> 0.001"
    assert (proposal.operator, proposal.proposer, proposal.base) == ("learning_rate", "hyperparameters", "c0")
    assert proposal.parameters == {"learning_rate": 0.001}
    assert proposal.diff.splitlines()[4:6] == ["-learning_rate = 3e-4  # peak", "+learning_rate = 1e-3  # peak"]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_proposals_keep_the_constraints_never_repeat_and_are_the_same_again(seed: int) -> None:
    bench = Bench({"train.py": TRAIN}, config(SPACE), seed)
    again = Bench({"train.py": TRAIN}, config(SPACE), seed)
    seen = set()
    for _ in range(12):
        proposal = HyperparameterProposer().propose(bench.context())
        assert proposal == HyperparameterProposer().propose(again.context())
        assert proposal is not None
        values = {**_values(TRAIN), **proposal.parameters}
        assert values["n_embd"] % values["n_head"] == 0 and values["n_embd"] >= 16 * values["n_head"]
        assert 1e-5 <= values["learning_rate"] <= 1e-2 and 0 <= values["dropout"] <= 0.3
        assert values != _values(TRAIN)
        assert proposal.diff not in seen
        seen.add(proposal.diff)
        for each in (bench, again):
            each.close(proposal, 1.1, Verdict.REJECTED)


def test_what_is_next_to_what_was_tried_comes_last() -> None:
    bench = Bench({"train.py": TRAIN}, config("dropout = { low = 0.0, high = 1.0 }"))
    values = [0.0]
    for _ in range(12):
        proposal = HyperparameterProposer().propose(bench.context())
        assert proposal is not None
        value = proposal.parameters["dropout"]
        assert isinstance(value, float) and min(abs(value - each) for each in values) > 0.04
        values.append(value)
        bench.close(proposal, 1.1, Verdict.REJECTED)
    for value in range(101):
        bench.close(replace(proposal, parameters={"dropout": value / 100}), 1.1, Verdict.REJECTED)
    assert HyperparameterProposer().propose(bench.context()) is None


def test_what_waits_is_not_proposed_and_a_finished_space_gives_none() -> None:
    bench = Bench({"train.py": TRAIN}, config("n_head = [2, 4, 8]\nweight_decay = [0.0, 0.1]"))
    found = []
    while (proposal := HyperparameterProposer().propose(bench.context())) is not None:
        found.append(dict(proposal.parameters))
        bench.pending = (*bench.pending, proposal)
    assert len(found) == 5  # three single changes and two of both
    assert len({tuple(sorted(each.items())) for each in found}) == 5


def test_a_new_base_starts_anew() -> None:
    bench = Bench({"train.py": TRAIN}, config("weight_decay = [0.0, 0.1]"))
    proposal = HyperparameterProposer().propose(bench.context())
    assert proposal is not None
    bench.close(proposal, 0.9, Verdict.ACCEPTED)
    bench.files["train.py"] = TRAIN.replace("weight_decay = 0.1", "weight_decay = 0.0")
    proposal = HyperparameterProposer().propose(bench.context())
    assert proposal is not None and proposal.parameters == {"weight_decay": 0.1}


def test_missing_and_ambiguous_parameters_are_said_once() -> None:
    files = {"a.py": "lr = 0.1\n", "b.py": "lr = 0.2\n"}
    bench = Bench(files, config("lr = [0.1, 0.2]\nwarmup = [1, 2]", "python -m other"))
    proposer = HyperparameterProposer()
    assert proposer.propose(bench.context()) is None
    first = proposer.notices.take()
    assert len(first) == 2 and "a.py:1 (0.1), b.py:1 (0.2)" in first[0] and "warmup is not found" in first[1]
    assert proposer.propose(bench.context()) is None
    assert proposer.notices.take() == ()


@pytest.mark.parametrize(
    ("space", "command", "path"),
    [
        ("lr = [0.3, 0.4]", "python b.py", "b.py"),
        ("lr = [0.3, 0.4]", "cd pkg && python ./b.py", "b.py"),
        ("lr = [0.3, 0.4]", "python -m a --seed {seed}", "a.py"),
        ("lr = [0.3, 0.4]", "python a.py --config conf/c.yaml", "conf/c.yaml"),
        ('lr = { values = [0.3, 0.4], file = "a.py" }', "python b.py", "a.py"),
        ('"optimizer.lr" = [0.3, 0.4]', "python b.py", "conf/c.yaml"),
    ],
)
def test_a_name_found_twice_is_the_one_that_the_command_runs(space: str, command: str, path: str) -> None:
    files = {"a.py": "lr = 0.1\n", "b.py": "lr = 0.2\n", "conf/c.yaml": "optimizer:\n  lr: 0.5\n"}
    settings_ = config(space, command)
    found = find(settings_.space, files, settings_.train.command)
    assert found.problems == ()
    (parameter,) = found.parameters.values()
    assert [place.path for place in parameter.places] == [path]


def test_one_value_in_two_scripts_stays_one_value() -> None:
    files = {"a.py": "lr = 0.1\n", "b.py": "import a\nlr = 0.1\n"}
    found = find(config("lr = [0.1, 0.2]").space, files)
    assert edited(found, files, {"lr": 0.2}) == {"a.py": "lr = 0.2\n", "b.py": "import a\nlr = 0.2\n"}


def test_constraints_see_undeclared_names_and_last_parts_of_dotted_ones() -> None:
    files = {"c.yaml": "model: {width: 128, heads: 4}\n"}
    bench = Bench(files, config('"model.width" = [128, 126, 130, 132]\nconstraints = ["width % heads == 0"]'))
    proposal = HyperparameterProposer().propose(bench.context())
    assert proposal is not None and proposal.parameters == {"model.width": 132}


def _values(text: str) -> dict[str, float]:
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def test_a_parameter_that_nothing_reads_any_more_is_not_tried(tmp_path: Path) -> None:
    train = "rate = 0.1\nmomentum = 0.9\nprint(rate, momentum)\n"
    lab = Laboratory(tmp_path / "lab", {"train.py": train}, "rate = [0.1, 0.2, 0.3]\nmomentum = [0.8, 0.9]")
    assert Search.of(lab.context()).found.parameters.keys() == {"rate", "momentum"}
    lab.close(lab.change("train.py", "print(rate, momentum)", "print(rate)"), 0.9, Verdict.ACCEPTED)
    found = Search.of(lab.context()).found
    assert found.parameters.keys() == {"rate"}
    assert found.problems == ("parameter momentum is read by nothing any more; it is left alone",)


def test_what_only_files_read_that_nobody_may_edit_is_tried() -> None:
    bench = Bench({"settings.py": "rate = 0.1\n"}, config("rate = [0.1, 0.2]"))
    assert Search.of(bench.context()).found.parameters.keys() == {"rate"}
