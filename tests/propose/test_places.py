from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.propose.search.literals import Kind, Place
from autogit.propose.search.places import places, written
from autogit.records import Value

ARGPARSE = '''\
#!/usr/bin/env python
"""Trains — with a naïve loop."""
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="é: input batch (default: 64)")
parser.add_argument('-l', '--lr', type=float, default=1e-3)   # tuned by hand
parser.add_argument("--momentum", type=float,
                    default=0.9)
parser.add_argument("--name", dest="run_name", default='first')
parser.add_argument("--amp", action="store_true", default=False)
args = parser.parse_args()
'''

CONSTANTS = """\
import math
# settings
learning_rate = 6e-4  # max
weight_decay: float = 1e-1
beta1, beta2 = 0.9, 0.95
betas = (0.9, 0.95)  # both
batch_size, block_size = 32, 1_024
TOTAL = 2**19
gradient_accumulation_steps = 5 * 8
init_from = 'scratch'
compile = True
grad_clip = None
schedule = {"kind": "cosine", 'warmup': 100, "nested": {"floor": 0.1}}
if __name__ == "__main__":
    epochs = 3


def main(dropout=0.0, *, heads: int = 4):
    inner = 0.25
    model = Model(width=128, heads=heads)
    model.rate = -0.5
"""

FIELDS = """\
from dataclasses import dataclass, field


@dataclass
class GPTConfig:
    n_layer: int = 12
    n_embd: int = 768
    bias: bool = True  # as GPT-2
    betas: tuple = field(default=(0.9, 0.999))


class Other:
    n_layer = 6
"""

YAML = """\
# top
optimizer:
  lr: 0.001   # keep me
  eps: 1e-8
  betas: [0.9, 0.999]
  decay:
    - 0.1
    - 0.2
model: {width: 128, act: gelu, "bias": true}
name: "a run"
nothing: ~
stages:
  - depth: 2
  - depth: 3
"""

JSON = """{
  "optimizer": {"lr": 1e-3, "betas": [0.9, 0.95]},
  "name": "a \\"lr\\": 5 run",
  "stages": [{"depth": 2}, {"depth": 3}],
  "amp": true, "clip": null
}
"""

TOML = """\
lr = 3e-4          # comment with lr = 5
model.width = 128
text = '''
lr = 7
'''
[optimizer]
lr = 0.1
betas = [ 0.9, 0.95 ]   # two
opts = { eps = 1e-8, "name" = "adam" }
[[stage]]
depth = 2
"""

FILES = {"a.py": ARGPARSE, "c.py": CONSTANTS, "f.py": FIELDS, "o.yaml": YAML, "o.json": JSON, "o.toml": TOML}


def named(path: str, name: str) -> Place:
    (place,) = [p for p in places(path, FILES[path]) if ".".join(p.name) == name]
    return place


@pytest.mark.parametrize(
    ("path", "name", "value", "kind"),
    [
        ("a.py", "batch_size", 64, Kind.SETTING),
        ("a.py", "lr", 1e-3, Kind.SETTING),
        ("a.py", "momentum", 0.9, Kind.SETTING),
        ("a.py", "run_name", "first", Kind.SETTING),
        ("a.py", "amp", False, Kind.SETTING),
        ("c.py", "learning_rate", 6e-4, Kind.SETTING),
        ("c.py", "weight_decay", 0.1, Kind.SETTING),
        ("c.py", "beta2", 0.95, Kind.SETTING),
        ("c.py", "betas", (0.9, 0.95), Kind.SETTING),
        ("c.py", "block_size", 1024, Kind.SETTING),
        ("c.py", "TOTAL", 2**19, Kind.SETTING),
        ("c.py", "gradient_accumulation_steps", 40, Kind.SETTING),
        ("c.py", "init_from", "scratch", Kind.SETTING),
        ("c.py", "compile", True, Kind.SETTING),
        ("c.py", "grad_clip", None, Kind.SETTING),
        ("c.py", "schedule.warmup", 100, Kind.ENTRY),
        ("c.py", "schedule.nested.floor", 0.1, Kind.ENTRY),
        ("c.py", "epochs", 3, Kind.SETTING),
        ("c.py", "main.dropout", 0.0, Kind.DEFAULT),
        ("c.py", "main.heads", 4, Kind.DEFAULT),
        ("c.py", "main.inner", 0.25, Kind.LOCAL),
        ("c.py", "main.Model.width", 128, Kind.ARGUMENT),
        ("c.py", "main.model.rate", -0.5, Kind.ENTRY),
        ("f.py", "GPTConfig.n_embd", 768, Kind.FIELD),
        ("f.py", "GPTConfig.bias", True, Kind.FIELD),
        ("f.py", "GPTConfig.betas", (0.9, 0.999), Kind.FIELD),
        ("o.yaml", "optimizer.lr", 0.001, Kind.SETTING),
        ("o.yaml", "optimizer.eps", 1e-8, Kind.SETTING),
        ("o.yaml", "optimizer.betas", (0.9, 0.999), Kind.SETTING),
        ("o.yaml", "optimizer.decay", (0.1, 0.2), Kind.SETTING),
        ("o.yaml", "model.act", "gelu", Kind.SETTING),
        ("o.yaml", "model.bias", True, Kind.SETTING),
        ("o.yaml", "nothing", None, Kind.SETTING),
        ("o.yaml", "stages.1.depth", 3, Kind.SETTING),
        ("o.json", "optimizer.lr", 1e-3, Kind.SETTING),
        ("o.json", "stages.1.depth", 3, Kind.SETTING),
        ("o.json", "clip", None, Kind.SETTING),
        ("o.toml", "lr", 3e-4, Kind.SETTING),
        ("o.toml", "optimizer.lr", 0.1, Kind.SETTING),
        ("o.toml", "model.width", 128, Kind.SETTING),
        ("o.toml", "optimizer.opts.eps", 1e-8, Kind.SETTING),
        ("o.toml", "optimizer.opts.name", "adam", Kind.SETTING),
    ],
)
def test_a_literal_is_found_by_its_name(path: str, name: str, value: Value | None, kind: Kind) -> None:
    place = named(path, name)
    assert (place.value, place.kind) == (value, kind)
    assert type(place.value) is type(value)
    assert FILES[path].count("\n", 0, place.start) + 1 == place.line


@pytest.mark.parametrize(
    ("path", "name", "new", "line"),
    [
        ("a.py", "lr", 6e-4, "parser.add_argument('-l', '--lr', type=float, default=6e-4)   # tuned by hand"),
        ("a.py", "batch_size", 32,
         'parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="é: input batch (default: 64)")'),
        ("a.py", "run_name", "second", """parser.add_argument("--name", dest="run_name", default='second')"""),
        ("c.py", "learning_rate", 0.001, "learning_rate = 1e-3  # max"),
        ("c.py", "learning_rate", 0.05, "learning_rate = 0.05  # max"),
        ("c.py", "betas", (0.9, 0.99), "betas = (0.9, 0.99)  # both"),
        ("c.py", "block_size", 2048, "batch_size, block_size = 32, 2_048"),
        ("c.py", "TOTAL", 2**18, "TOTAL = 262144"),
        ("c.py", "compile", False, "compile = False"),
        ("c.py", "grad_clip", 1.0, "grad_clip = 1.0"),
        ("c.py", "main.model.rate", 0.5, "    model.rate = 0.5"),
        ("f.py", "GPTConfig.bias", False, "    bias: bool = False  # as GPT-2"),
        ("o.yaml", "optimizer.lr", 0.0003, "  lr: 0.0003   # keep me"),
        ("o.yaml", "optimizer.eps", 1e-6, "  eps: 1e-6"),
        ("o.yaml", "optimizer.lr", 1.5e-12, "  lr: 1.5e-12   # keep me"),
        ("o.yaml", "optimizer.decay", (0.3, 0.4), "    - 0.3"),
        ("o.yaml", "model.act", "relu", 'model: {width: 128, act: relu, "bias": true}'),
        ("o.yaml", "model.bias", False, 'model: {width: 128, act: gelu, "bias": false}'),
        ("o.json", "optimizer.betas", (0.8, 0.9), '  "optimizer": {"lr": 1e-3, "betas": [0.8, 0.9]},'),
        ("o.json", "amp", False, '  "amp": false, "clip": null'),
        ("o.toml", "lr", 0.001, "lr = 1e-3          # comment with lr = 5"),
        ("o.toml", "optimizer.lr", 0.2, "lr = 0.2"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_the_line_around_it_would_have_it(path: str, name: str, new: Value, line: str) -> None:
    result = written(FILES[path], {named(path, name): new})
    assert result is not None
    assert line in result.split("\n")


EVERY = [place for path, text in FILES.items() for place in places(path, text)]

NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(1e-12, 1e9).map(lambda x: float(f"{x:.3g}")),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6),
)
WORDS = st.text(min_size=1, max_size=12)
VALUES = st.one_of(NUMBERS, st.booleans(), WORDS, st.lists(NUMBERS, min_size=1, max_size=3).map(tuple))


@given(st.sampled_from(EVERY), VALUES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_an_edit_changes_exactly_one_value(place: Place, value: Value, newline: str, mark: bool) -> None:
    text = ("\ufeff" if mark and place.path.endswith((".py", ".yaml")) else "") + FILES[place.path]
    text = text.replace("\n", newline)
    (here,) = [p for p in places(place.path, text) if p.name == place.name]
    result = written(text, {here: value})
    if result is None:
        # Only words that the format has no plain spelling for, and lists where a list was not, may be refused.
        assert isinstance(value, str | tuple)
        return
    assert result.startswith(text[: here.start]) and result.endswith(text[here.end :])
    after = places(place.path, result)
    # `name` and `run_name` share a literal, nothing else does.
    assert [p.value for p in after] == [value if p.start == here.start else p.value for p in places(place.path, text)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "lr = = 3"), ("a.py", "lr = 1\x00"), ("a.yaml", "a: [1"), ("a.json", "{"), ("a.toml", "= 1"),
        ("a.txt", "lr = 1"), ("a.py", ""), ("a.yaml", ""), ("a.yaml", "- 1\n- 2\n"), ("a.py", "x = 9**9**9**9"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_holds_nothing(path: str, text: str) -> None:
    assert places(path, text) == ()
