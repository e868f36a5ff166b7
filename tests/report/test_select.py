"""Conditions and orders of trials: a language of its own, and nothing that runs code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.errors import ConfigError
from autogit.report.select import chosen, parse

ROWS: list[dict[str, float | str]] = [
    {"trial": 1.0, "val_loss": 2.5, "operator": "patterns", "title": "GELU -> SiLU"},
    {"trial": 2.0, "val_loss": 2.25, "operator": "lr", "title": "Warm up longer"},
    {"trial": 3.0, "operator": "patterns", "title": "It crashed"},
    {"trial": 4.0, "val_loss": -1e-3, "operator": "lr", "title": 'say "x"', "gain": 3.0},
]


def select(where: str | None = None, sort: str | None = None) -> list[int]:
    return [int(float(row["trial"])) for row in chosen(ROWS, lambda row: row, where, sort)]


@pytest.mark.parametrize(
    ("where", "trials"),
    [
        ('val_loss < 2.5 and operator = "patterns"', []),
        ("val_loss <= 2.5 and operator = patterns", [1]),
        ("operator = 'lr' or trial = 3", [2, 3, 4]),
        ("trial = 1 or trial = 2 and operator = nothing", [1]),
        ("(trial = 1 or trial = 2) and operator = lr", [2]),
        ("not operator = lr", [1, 3]),
        ("val_loss > -1", [1, 2, 4]),
        ("val_loss < 0", [4]),
        ("val_loss != 2.5", [2, 4]),
        ("title ~ silu", [1]),
        ("title !~ up and operator == lr", [4]),
        ("gain >= 3%", [4]),
        ("val_loss = 2.25e0", [2]),
    ],
)
def test_a_condition_chooses(where: str, trials: list[int]) -> None:
    """What has no such value fits no comparison with it."""
    assert select(where) == trials


@pytest.mark.parametrize(
    ("sort", "trials"),
    [("val_loss", [4, 2, 1, 3]), ("-val_loss", [1, 2, 4, 3]), ("title", [1, 3, 2, 4]), ("-gain", [4, 1, 2, 3])],
)
def test_an_order_puts_the_unknown_last(sort: str, trials: list[int]) -> None:
    assert select(sort=sort) == trials


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("val_los < 2", "did you mean val_loss"),
        ("__import__('os').system('x') = 1", "cannot be read at"),
        ("val_loss <", "expected a number or a word at the end"),
        ("val_loss 2", "expected a comparison such as"),
        ("(trial = 1", 'expected ")"'),
        ("trial = 1 trial = 2", 'expected "and", "or" or the end'),
        ("trial ; 1", "cannot be read at"),
        ("", None),
    ],
)
def test_what_cannot_be_read_is_said(where: str, words: str | None) -> None:
    if words is None:
        assert select(where) == [1, 2, 3, 4]
        return
    with pytest.raises(ConfigError) as error:
        select(where)
    assert words in str(error.value)


@given(
    st.text()
    | st.lists(st.sampled_from(["a", "and", "or", "not", "(", ")", "<", "=", "~", "1", "'x'", " "])).map(" ".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse(text, ["a"])
    except ConfigError:
        return
    assert condition({"a": 1.0}) in (True, False) and condition({}) in (True, False)
