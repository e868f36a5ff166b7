from __future__ import annotations

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.evaluate.lines import LONGEST, normalised, parse_line

LINES = {
    "step 40 loss 2.91 monitor 2.87": (40, None, {"loss": 2.91, "monitor_loss": 2.87}),
    "iter 100: loss 3.21, time 120.5ms, mfu 1.2%": (100, None, {"loss": 3.21, "time": 120.5, "mfu": 1.2}),
    "step 250: train loss 2.1, val loss 2.3": (250, None, {"train_loss": 2.1, "val_loss": 2.3}),
    "val_bpb:          0.9979": (None, None, {"val_bpb": 0.9979}),
    "Epoch 3/10 ... acc=0.91 val_acc: 0.88": (None, 3, {"acc": 0.91, "val_acc": 0.88}),
    "Epoch [3/10], Step [100/600], Loss: 0.2": (100, 3, {"loss": 0.2}),
    "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300039": (None, 1, {"loss": 2.300039}),
    "Test set: Average loss: 0.0466, Accuracy: 9855/10000 (99%)": (
        None, None, {"average_loss": 0.0466, "accuracy": 0.9855}),
    "10/10 [=====] - 1s 12ms/step - loss: 0.3 - accuracy: 0.9 - val_loss: 0.4": (
        None, None, {"loss": 0.3, "accuracy": 0.9, "val_loss": 0.4}),
    "step 00953 (100.0%) | loss: 2.997 | tok/sec: 1,690,000 | epoch: 1": (
        953, 1, {"loss": 2.997, "throughput_tokens_per_sec": 1690000.0}),
    "{'loss': 2.3, 'learning_rate': 5e-05, 'epoch': 1.0}": (None, 1, {"loss": 2.3, "learning_rate": 5e-5}),
    '{"step": 10, "loss": 2.5, "ok": true, "eval": {"acc": 1}}': (10, None, {"loss": 2.5, "eval_acc": 1.0}),
    "number of parameters: 10.65M": (None, None, {"number_of_parameters": 10.65e6}),
    "tokens per second: 950k": (None, None, {"throughput_tokens_per_sec": 950e3}),
    "Iteration 1, loss = 0.6931": (1, None, {"loss": 0.6931}),
    "accuracy                           0.93       100": (None, None, {"accuracy": 0.93}),
    "Mean squared error: 2548.07": (None, None, {"mean_squared_error": 2548.07}),
    "step 1,000: loss 1,234.5": (1000, None, {"loss": 1234.5}),
    "test accuracy was 93.2 %": (None, None, {"test_accuracy": 93.2}),
    "loss: -inf": (None, None, {"loss": -math.inf}),
    "\x1b[32mtrain loss: 1.5\x1b[0m": (None, None, {"train_loss": 1.5}),
    "5/10 loss=9.9\r6/10 loss=3.2": (None, None, {"loss": 3.2}),
    "nan_count: 0": (None, None, {"nan_count": 0.0}),
    "": (None, None, {}),
    "---": (None, None, {}),
}  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_reads(text: str) -> None:
    line = parse_line(text)
    assert (line.step, line.epoch, line.values) == LINES[text]


@pytest.mark.parametrize("text", ["loss nan", "loss: NaN", "loss is nan", '{"loss": NaN}', "step 3 loss=-nan"])
def test_reads_not_a_number(text: str) -> None:
    assert [math.isnan(value) for name, value in parse_line(text).values.items() if name.startswith("loss")] == [True]


@pytest.mark.parametrize("name", ["val loss", "val-loss", "Val_Loss", " val/loss ", "val  loss"])
def test_one_spelling(name: str) -> None:
    assert normalised(name) == "val_loss"


@given(st.text())
def test_never_raises(text: str) -> None:
    parse_line(text)


@given(st.text(alphabet="{}[]\"':,=/\\.-+eE0123456789naifNIstepoch \t\r\x1b%", max_size=300))
def test_never_raises_on_what_looks_like_numbers(text: str) -> None:
    line = parse_line(text)
    assert line.step is None or line.step >= 0


@given(
    st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=12).map(lambda s: f"x{s}"),
    st.floats(allow_nan=False),
    st.sampled_from([": ", "=", " = ", " ", ":    "]),
)
def test_reads_back_what_was_printed(name: str, value: float, between: str) -> None:
    assert parse_line(f"{name}{between}{value!r}").values == {name: value}


@given(st.integers(0, 10**9), st.floats(0, 1e6))
def test_thousands_separators_change_nothing(step: int, value: float) -> None:
    assert parse_line(f"step {step:,} loss {value:,.3f}") == parse_line(f"step {step} loss {value:.3f}")


@pytest.mark.parametrize("unit", ["a ", "a:", "9 ", "[", '{"a":', "\x1b[", "1/", "loss 1.5 "])
@pytest.mark.parametrize("start", ["", '{"a": 1'])
def test_endless_lines_are_cut(start: str, unit: str) -> None:
    # What lies beyond the limit is not even looked at, which bounds the work whatever the text.
    endless = start + unit * 10**5
    assert parse_line(endless) == parse_line(endless[: LONGEST + 1])


def test_what_lies_beyond_the_limit_is_not_read() -> None:
    assert parse_line("." * LONGEST + " loss 1.0").values == {}
    assert parse_line("." * (LONGEST - 9) + " loss 1.0").values == {"loss": 1.0}
