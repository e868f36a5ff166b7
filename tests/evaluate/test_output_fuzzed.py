"""Output as people and attackers print it: no traceback, no wrong number, and time in proportion to its length."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from evaluate.regex_steps import steps
from evaluate.world import config

from autogit.evaluate import lines, output
from autogit.evaluate.lines import parse_line
from autogit.evaluate.output import reading
from autogit.execute import output as printed
from autogit.execute import reason

FUZZED = 20_000
"""Lines with a number whose true value is known."""


def _forms(value: float) -> dict[str, str]:
    """Ways to print `value`, by name."""
    fixed, whole = f"{value:.4f}", f"{value:.0f}"
    mantissa, exponent = f"{value:.3e}".split("e")
    return {
        "plain": fixed,
        "repr": repr(value),
        "exponent": f"{value:.3e}",
        "capital": f"{value:.3E}",
        "julia": f"{mantissa}f{int(exponent)}",
        "fortran": f"{mantissa}D{exponent}",
        "thousands": f"{value:,.4f}",
        "underscores": f"{value:_.4f}",
        "spaces": f"{value:,.4f}".replace(",", " "),
        "hard spaces": f"{value:,.4f}".replace(",", "\u00a0"),
        "apostrophes": f"{value:,.4f}".replace(",", "'"),
        "continental": f"{value:,.4f}".translate(str.maketrans(",.", ".,")),
        "decimal comma": fixed.replace(".", ","),
        "unicode minus": fixed.replace("-", "\u2212"),
        "cut": f"{fixed}...",
        "cut exponent": f"{mantissa}e",
        "times": f"{mantissa} x 10^{int(exponent)}",
        "times sign": f"{mantissa}\u00d710{exponent}",
        "quoted": f"'{fixed}'",
        "bold": f"**{fixed}**",
        "parentheses": f"({fixed})",
        "one in a list": f"[{fixed}]",
        "tensor": f"tensor({fixed}, device='cuda:0')",
        "scalar": f"np.float32({fixed})",
        "decimal": f"Decimal('{fixed}')",
        "spread": f"{fixed} \u00b1 0.0200",
        "ascii spread": f"{fixed}+/-0.02",
        "in brackets": f"{fixed} (0.1234)",
        "percent": f"{fixed}%",
        "unit": f"{fixed}ms",
        "unit apart": f"{fixed} ms",
        "unknown unit": f"{fixed}furlongs",
        "sentence": f"{fixed}.",
        "semicolon": f"{fixed};",
        "approximate": f"~{fixed}",
        "bound": f"<{fixed}",
        "fullwidth": fixed[:-1] + chr(0xFF10 + int(fixed[-1])),
        "version": f"{fixed}.1",
        "hexadecimal": f"{int(abs(value)):#x}" if value >= 1 else fixed,
        "fraction": f"{whole}/1" if value >= 1 else fixed,
        "arrow": f"{value + 1:.4f} -> {fixed}",
        "two": f"{fixed} {value + 1:.4f}",
        "two with a comma": f"{fixed}, {value + 1:.4f}",
        "two in a list": f"[{fixed}, {value + 1:.4f}]",
        "array": f"[{fixed} {value + 1:.4f}]",
        "range": f"{fixed}-{value + 1:.4f}",
        "columns": f"{fixed} | {value + 1:.4f}",
        "complex": f"{fixed}+1.5j",
    }


def _true(form: str, value: float) -> set[float]:
    """What may be read of it, to the digits that were printed; nothing may be, too."""
    mantissa = float(f"{value:.3e}")
    whole = {float(f"{value:.0f}"), float(int(abs(value)))} if form in ("fraction", "hexadecimal") else set()
    return {value, float(f"{value:.4f}"), mantissa, *whole}


NAMES = ("val_loss", "val loss", "Val-Loss")
LINES = (
    "{name}: {number}",
    "{name}={number}",
    "{name} = {number}",
    "{name} {number}",
    "{name}:\t{number}",
    "step 30: {name} {number}",
    "Epoch 3/10 - loss: 0.1 - {name}: {number}",
    "| {name} | {number} |",
    "\u2502  {name}  \u2502  {number}  \u2502",
    "2026-01-01 10:00:00,123 INFO {name}: {number}",
    "METRIC {name}={number}",
    "{{'epoch': 2, '{name}': {number}}}",
    "\x1b[32m{name}: {number}\x1b[0m",
    "lr=1e-4 {name} {number}",
    "{name} (ema): {number}",
    "{name} [best]: {number}",
    "Done, {name}: {number}",
    "{name}: {number} acc: 0.9",
    "{name}: {number}, acc: 0.9",
    "({name}: {number})",
    "[rank0]: {name}: {number}",
)


def test_no_fuzzed_line_gives_a_wrong_number() -> None:
    rng = random.Random(16)
    read: dict[str, int] = {}
    for _ in range(FUZZED):
        value = rng.choice((1, -1)) * rng.choice(
            (rng.random(), rng.uniform(1, 2000), rng.uniform(0, 1e7), 10 ** -rng.uniform(0, 9))
        )
        form, number = rng.choice(list(_forms(value).items()))
        text = rng.choice(LINES).format(name=rng.choice(NAMES), number=number)
        found = reading(config(), 1).read(text).metrics.get("val_loss")
        if found is not None:
            read[form] = read.get(form, 0) + 1
            if form == "decimal comma" or form == "continental":
                # One comma before three digits cannot be told from thousands; `test_output.py` has what then helps.
                assert re.search(r"\b[1-9][0-9]{0,2}(,[0-9]{3})+$", number) or found in _true(form, value), (
                    text,
                    found,
                )
            else:
                assert found in _true(form, value), (text, found)
    # What a person would print is read; the check above could not fail if nothing were.
    assert {"plain", "repr", "exponent", "thousands", "underscores", "tensor", "percent", "spread"} <= read.keys()
    assert not {"cut", "version", "two in a list", "arrow", "complex", "times"} & read.keys()


def test_no_garbage_ends_in_a_traceback() -> None:
    rng = random.Random(17)
    pieces = [
        "val_loss",
        "acc",
        "step",
        "epoch",
        ":",
        "=",
        ",",
        "|",
        "/",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "%",
        "-",
        "+",
        "±",
        "->",
        "nan",
        "inf",
        "tensor(",
        "1",
        "0,5",
        "1e",
        "1e999",
        "0x1",
        "9" * 400,
        "\u2212",
        "٣",
        "５",
        "\x1b[",
        "\r",
        "\u202e",
        "\ud800",
        "k",
        "ms",
        ".",
        "..",
        " ",
        "\t",
    ]
    for _ in range(FUZZED // 4):
        text = "".join(rng.choice(pieces) + rng.choice(("", " ")) for _ in range(rng.randrange(1, 30)))
        line = parse_line(text)
        assert line.step is None or line.step >= 0
        reading(config(), 1).read(text).missing("val_loss")


# ---- time, in steps of the pattern matcher and in executed lines: clocks would tell of this machine

HOSTILE = (
    "1",
    "1,000",
    "1,",
    "1.",
    "1e",
    "1'0",
    "1 ",
    "1 000 ",
    " ",
    "a",
    "a ",
    "a:",
    "a=1 ",
    "a,b,",
    "[",
    "(1",
    "f(",
    "a:f(1) ",
    "1/",
    "1/2 ",
    "-",
    "--",
    "\x1b[",
    "\x1b[0;",
    "\x1b]",
    "INFO ",
    "is ",
    "|a|",
    "1-",
    "1_000",
    "a1",
    "1%|",
    "1it/s",
    "1/1 [",
    "█",
    ".",
    "nan ",
    "0x",
    "+/-",
    "x 10",
    "@",
    "refused: ",
    "[... 1",
)
SIZE = 60
"""Characters, of the shorter one of two texts."""
MODULES = (lines, output, reason, printed)


def _patterns(module: ModuleType) -> Iterator[tuple[str, re.Pattern[str]]]:
    """The module's text patterns by name, also those that stand in tuples."""
    for name, value in vars(module).items():
        inner = (
            [x for pair in value for x in (pair if isinstance(pair, tuple) else ())]
            if isinstance(value, tuple)
            else [value]
        )
        yield from ((name, x) for x in inner if isinstance(x, re.Pattern) and isinstance(x.pattern, str))


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_patterns_that_read_output_take_steps_in_proportion_to_its_length(module: ModuleType) -> None:
    patterns = list(_patterns(module))
    assert patterns
    for name, pattern in patterns:
        for unit in HOSTILE:
            for end in ("", "!"):
                short, long = (steps(pattern, (unit * n)[:n] + end) for n in (SIZE, 2 * SIZE))
                assert long < 2.6 * short + 60, f"{name} on {unit!r}: {short} steps, then {long}"


def test_the_step_counter_sees_a_pattern_that_is_not_linear() -> None:
    quadratic = re.compile(r"\d+%")
    assert steps(quadratic, "1" * 400) > 3 * steps(quadratic, "1" * 200)
    assert steps(re.compile(r"(?<!\d)\d+%"), "1" * 400) < 2.2 * steps(re.compile(r"(?<!\d)\d+%"), "1" * 200)


def _executed(work: Callable[[], object]) -> int:
    """Lines of Python that are executed."""
    count = 0

    def tracer(frame: object, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return tracer

    sys.settrace(tracer)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_reader_takes_steps_in_proportion_to_a_lines_length(unit: str) -> None:
    short, long = (_executed(lambda n=n: parse_line((unit * n)[:n])) for n in (1000, 2000))  # type: ignore[misc]
    assert long < 2.2 * short + 200
