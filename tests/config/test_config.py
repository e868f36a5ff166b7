"""The configuration: what it accepts, and what it says to the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogit.config import load as configfile
from autogit.config.model import FILENAME
from autogit.config.space import Choice, Range
from autogit.errors import ConfigError

FIVE_LINES = """
[train]
command = "python train.py --seed {seed}"
editable = ["train.py"]
[metric]
name = "val_loss"
"""


def test_five_lines_are_a_working_file() -> None:
    made = configfile.parse(FIVE_LINES)
    assert made.train.command == "python train.py --seed {seed}"
    assert made.metric.name == "val_loss" and made.metric.direction == "min"
    assert made.main is None and made.workspace == "."


def test_a_space_of_lists_ranges_and_log_ranges() -> None:
    made = configfile.parse(
        FIVE_LINES
        + """
[space]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
n_layer = { low = 1, high = 6 }
betas = [[0.9, 0.95], [0.9, 0.999]]
constraints = ["n_embd % n_head == 0"]
"""
    )
    assert made.space.parameters["learning_rate"] == Range(1e-4, 1e-2, log=True)
    assert made.space.parameters["n_layer"] == Range(1, 6, integer=True)
    assert made.space.parameters["betas"] == Choice(((0.9, 0.95), (0.9, 0.999)))
    assert made.space.allows({"n_embd": 64, "n_head": 4})
    assert not made.space.allows({"n_embd": 64, "n_head": 3})
    assert not made.space.allows({"n_embd": 64, "n_head": 0}), "a constraint that cannot be computed does not hold"


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("threds = 2", ["metric.threds = 2", "unknown key", "[metric] takes"]),
        ('direction = "mim"', ["metric.direction", '"mim"', '"min", "max"', "did you mean"]),
        ('min_delta = "small"', ["metric.min_delta", '"small"', "a number of at least 0"]),
        ("min_delta = -1", ["metric.min_delta", "-1", "of at least 0"]),
        ("target = nan", ["metric.target", "nan"]),
        ("[limits]\ntrials = 0", ["limits.trials = 0", "of at least 1"]),
        ("[limits]\ntrials = true", ["limits.trials = true", "a whole number"]),
        ("[limit]\ntrials = 1", ["limit", "unknown key", 'did you mean "limits"']),
        ("[metric.patterns]\nacc = 'acc: ('", ["metric.patterns.acc", "a regular expression"]),
        ("[metric.patterns]\nacc = 'acc: .*'", ["metric.patterns.acc", "a group"]),
        ("[space]\nlr = { low = 2, high = 1 }", ["space.lr.high = 1", "above low = 2"]),
        ("[space]\nlr = { low = 0, high = 1, log = true }", ["space.lr.low = 0", "above 0"]),
        ("[space]\nlr = [1]", ["space.lr", "at least two values"]),
        ("[space]\nlr = { low = 1, high = 2, stpe = 1 }", ["space.lr.stpe", "unknown key"]),
        ("[space]\nconstraints = ['open(\"x\")']", ["space.constraints", "arithmetic"]),
        ("[budget]\nsteps = 10\nseconds = 5", ["budget.seconds", "one budget only"]),
        ("[budget]\nflops = 1e12", ["budget.flops", "budget.command"]),
        ("[evaluate]\ncommand = 'python {oops}'", ["evaluate.command", "placeholders", "{seed}"]),
        ("[evaluate]\ncommand = 'python {'", ["evaluate.command", "literal brace"]),
    ],
)
def test_one_error_names_file_key_value_and_what_is_allowed(addition: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        configfile.parse(FIVE_LINES + addition)
    assert str(raised.value).startswith(".autoresearch.toml: ")
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\[train\] is missing"):
        configfile.parse("[metric]\nname = 'x'")
    with pytest.raises(ConfigError, match=r"train\.command is missing"):
        configfile.parse("[train]\neditable = ['x']")
    with pytest.raises(ConfigError, match="not valid TOML"):
        configfile.parse("[train")


def test_found_from_below_and_past_an_inner_repository(tmp_path: Path) -> None:
    (tmp_path / FILENAME).write_text(FIVE_LINES)
    inner = tmp_path / "workspace" / "src"
    (inner.parent / ".git").mkdir(parents=True)
    inner.mkdir()
    assert configfile.find(inner).path == (tmp_path / FILENAME).resolve()


def test_none_found_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="autogit init"):
        configfile.find(tmp_path)


def test_the_hash_is_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    path.write_text(FIVE_LINES)
    first = configfile.load(path)
    path.write_text(FIVE_LINES + "# another word\n")
    assert configfile.load(path).hash != first.hash
    assert len(first.hash) == 12


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "sk-SECRET"',
        'api_key_env = "sk-SECRET"',
        'base_url = "https://me:sk-SECRET@example.org/v1"',
        'base_url = "https://example.org/v1?key=sk-SECRET"',
        'base_url = "sk-SECRET"',
    ],
)
def test_a_key_in_the_file_is_refused_and_not_repeated(line: str) -> None:
    """The file's text is kept in git, and what is wrong with it is printed and logged."""
    with pytest.raises(ConfigError) as caught:
        configfile.parse(f'{FIVE_LINES}[llm]\nmodel = "m"\n{line}\n')
    assert "llm." in str(caught.value) and "SECRET" not in str(caught.value)
