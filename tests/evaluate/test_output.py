from __future__ import annotations

import pytest
from evaluate.world import config
from hypothesis import given
from hypothesis import strategies as st

from autogit.evaluate.output import MAX_POINTS, MOST_NAMES, OutputReading, reading
from autogit.records import RunStatus

NANOGPT = """\
tokens per iteration will be: 16,384
found vocab_size = 65 (inside data/shakespeare_char/meta.pkl)
number of parameters: 10.65M
step 0: train loss 4.2874, val loss 4.2823
iter 0: loss 4.2654, time 38439.07ms, mfu -100.00%
iter 10: loss 3.1462, time 365.11ms, mfu 1.02%
step 20: train loss 2.4, val loss 2.5
saving checkpoint to out-shakespeare-char
iter 20: loss 2.6, time 370.00ms, mfu 1.0%
"""

BLOCK = """\
step 00010 (1.0%) | loss: 9.011 | lrm: 1.00 | dt: 310ms | tok/sec: 1,690,000 | mfu: 39 | epoch: 1 | remaining: 299s
step 00953 (100.0%) | loss: 2.997 | lrm: 0.00 | dt: 310ms | tok/sec: 1,690,000 | mfu: 39 | epoch: 1 | remaining: 0s
---
val_bpb:          0.997900
training_seconds: 300.1
peak_vram_mb:     45060.2
num_steps:        953
"""


def read(text: str, settings: str = "") -> OutputReading:
    return reading(config(settings), 1).read(text)


def test_nanogpt_as_it_is() -> None:
    found = read(NANOGPT)
    assert (found.step, found.loss, found.metrics["val_loss"]) == (20, 2.6, 2.5)
    assert found.curve is not None
    assert (found.curve.metric, found.curve.steps, found.curve.values) == ("loss", (0, 10, 20), (4.2654, 3.1462, 2.6))
    assert found.metrics["number_of_parameters"] == 10.65e6


def test_a_closing_block_by_its_name_alone() -> None:
    found = read(BLOCK, '[metric]\nname = "val_bpb"')
    assert found.metrics["val_bpb"] == 0.9979
    assert found.metrics["throughput_tokens_per_sec"] == 1.69e6
    assert found.metrics["peak_vram_mb"] == 45060.2
    assert "lrm" not in found.metrics
    assert found.step == 953


@pytest.mark.parametrize("name", ["val_loss", "val loss", "Val/Loss"])
def test_the_metric_keeps_the_name_of_the_configuration(name: str) -> None:
    assert read("step 5: val loss 2.5", f'[metric]\nname = "{name}"').metrics == {name: 2.5}


def test_what_is_printed_last_counts() -> None:
    assert read("val_loss: 1.0\nval_loss: 2.0").metrics["val_loss"] == 2.0


def test_a_monitor_goes_before_the_training_loss() -> None:
    found = read(
        "step 1 loss 5.0\nstep 2 loss 4.0 monitor 4.5\nstep 3 loss 3.0\nstep 4 loss 2.0 monitor 3.5\n---\n"
        "monitor_loss: 3.4"
    )
    assert found.curve is not None
    assert (found.curve.metric, found.curve.steps, found.curve.values) == ("monitor_loss", (2, 4), (4.5, 3.4))


def test_a_summary_does_not_replace_the_curve() -> None:
    found = read("step 1 train_loss 5.0\nstep 2 train_loss 4.0\nloss: 1.0")
    assert found.curve is not None
    assert (found.curve.metric, found.curve.values) == ("train_loss", (5.0, 4.0))


def test_a_persons_own_patterns() -> None:
    settings = "[metric]\nname = \"acc\"\n[metric.patterns]\nacc = 'round (?P<step>\\d+) .*got ([0-9.,]+)'"
    found = read("round 7 of 9 got 1,000.5 points", settings)
    assert (found.step, found.metrics["acc"]) == (7, 1000.5)


def test_a_pattern_with_two_ways_to_the_value_reads_an_absent_one_as_nothing() -> None:
    settings = "[metric]\nname = \"acc\"\n[metric.patterns]\nacc = 'acc (\\d+)?x'"
    assert read("acc x", settings).metrics == {}


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", ["loss", "val_loss", "monitor_loss", "f1_score"])
def test_not_a_number_ends_the_run(name: str, bad: str) -> None:
    listener = reading(config('[metric]\nname = "f1_score"\ndirection = "max"'), 1)
    assert listener.line("step 1 loss 3.0", 0.0) is None
    halt = listener.line(f"step 2 {name} {bad}", 1.0)
    assert halt is not None
    assert halt.status is RunStatus.UNSTABLE
    assert f"{name} is {bad}" in halt.reason
    assert "step 2" in halt.reason


def test_an_infinite_gradient_norm_does_not() -> None:
    assert reading(config(), 1).line("step 1 loss 3.0 grad_norm inf", 0.0) is None


def falling(steps: range) -> list[str]:
    return [f"step {step} loss {5.5 - 0.02 * step:.3f}" for step in steps]


def test_a_spike_that_recovers_is_told_from_divergence() -> None:
    listener = reading(config(), 1)
    spike = [f"step {step} loss 900" for step in range(50, 55)]
    assert not [text for text in falling(range(50)) + spike + falling(range(55, 100)) if listener.line(text, 0.0)]
    diverging = [f"step {step} loss {20 * step}" for step in range(100, 120)]
    halts = [halt for text in diverging if (halt := listener.line(text, 0.0))]
    assert halts
    assert halts[0].status is RunStatus.UNSTABLE
    assert "exploded" in halts[0].reason


@given(st.lists(st.text(), max_size=30))
def test_reads_any_text(lines: list[str]) -> None:
    listener = reading(config('[metric.patterns]\nval_loss = "(x*)"'), 1)
    for text in lines:
        listener.line(text, 0.0)
    assert listener.metrics is not None


def test_hostile_output_is_bounded() -> None:
    listener = reading(config(), 1)
    for number in range(3 * MAX_POINTS):
        listener.line(f"step {number} loss 3.0 name{number} 1", 0.0)
        listener.line(f"other{number}: 1", 0.0)
    listener.line("val_loss: 2.0", 0.0)
    assert len(listener._values) <= MOST_NAMES + 1
    assert listener.metrics["val_loss"] == 2.0
    assert len(listener.metrics) < 40
    assert listener.curve is not None
    assert MAX_POINTS / 2 <= len(listener.curve.values) <= MAX_POINTS
    assert all(a < b for a, b in zip(listener.curve.steps, listener.curve.steps[1:], strict=False))


def test_says_what_it_looked_for_and_what_there_was() -> None:
    word = read("validation_loss: 2.0\nacc: 0.5").missing("val_loss")
    assert '"val_loss"' in word
    assert 'nearest is "validation_loss"' in word
    assert "acc" in word
    assert "nor any other number" in read("nothing").missing("val_loss")


def reason(text: str, settings: str = "") -> str:
    found = read(text, settings)
    name = config(settings).metric.name
    assert name not in found.metrics
    return found.missing(name)


@pytest.mark.parametrize(
    "line",
    [
        "val_loss: 0,654",
        "val_loss: n/a",
        "val_loss = [0.65, 0.55]",
        "val loss: 1.2.3",
        "| val_loss | 0.65 | 0.70 |",
        '{"val_loss": [0.65, 0.55]}',
        "val_loss: 0.65...",
        "val_loss:\nsee above",
        "val_loss: tensor([0.1, 0.2])",
        "INFO val_loss: None",
    ],
)
def test_a_line_that_names_the_metric_and_cannot_be_read_voids_what_was_read_and_is_quoted(line: str) -> None:
    assert line.splitlines()[-1] in reason(f"val_loss: 0.9\n{line}")
    assert read(f"val_loss: 0.9\n{line}\nval_loss: 0.7").metrics["val_loss"] == 0.7, "unless it is said again"


@pytest.mark.parametrize(
    "line",
    [
        "saving the best checkpoint by val_loss",
        "Epoch 3: val_loss improved from 0.90 to 0.80, saving",
        "val_loss < 0.95: stop",
        "monitor: val_loss",
        "loss: n/a",
    ],
)
def test_prose_about_the_metric_takes_nothing_back(line: str) -> None:
    assert read(f"val_loss: 0.9\n{line}").metrics["val_loss"] == 0.9


@pytest.mark.parametrize(
    ("name", "line", "value"),
    [
        ("val_loss", "val_loss (ema): 0.65", 0.65),
        ("acc", "acc [%]: 65.4", 65.4),
        ("recall[macro]", "recall[macro]: 0.65", 0.65),
        ("val_loss", "| val_loss | 0.65 |", 0.65),
        ("val_loss", '{"val_loss": "0.65"}', 0.65),
        ("acc1", "Test: Acc@1 71.2", 71.2),
        ("val_loss", "2026-01-01 10:00:00,123 INFO val_loss: 0.65", 0.65),
        ("val_loss", "METRIC val_loss=0.65", 0.65),
        ("val_loss", "val_loss:\n\n    0.65", 0.65),
        ("val_loss", "val_loss:\ntensor", None),
        ("acc", "test loss, acc: [0.65, 0.55]", 0.55),
        ("val_loss", "val_loss: tensor(0.65, device='cuda:0')", 0.65),
        ("recall_at_5", "recall at 5: 0.8", 0.8),
        ("test acc", "test loss, test acc: 0.65", None),
        ("recall", "recall at 5: 0.8", None),
    ],
)
def test_names_and_numbers_as_people_write_them(name: str, line: str, value: float | None) -> None:
    assert read(line, f'[metric]\nname = "{name}"').metrics.get(name) == value


def test_the_name_itself_goes_before_one_with_brackets_and_two_of_those_are_not_one() -> None:
    assert read("val_loss: 0.6\nval_loss (ema): 0.7").metrics["val_loss"] == 0.6
    assert read("val_loss (ema): 0.7\nval_loss: 0.6").metrics["val_loss"] == 0.6
    assert "val_loss (raw): 0.6" in reason("val_loss (ema): 0.7\nval_loss (raw): 0.6")
    assert read("val_loss (ema): 0.7\nval_loss (ema): 0.6").metrics["val_loss"] == 0.6


def test_where_commas_are_decimal_points_one_before_three_digits_is_not_read() -> None:
    assert read("val_loss: 1,234").metrics["val_loss"] == 1234
    assert "comma" in reason("lr: 0,01\nval_loss: 1,234")
    assert "commas" in reason("val_loss: 1,234\nlr: 0,01")
    assert read("lr: 0,01\nval_loss: 1,234.5").metrics["val_loss"] == 1234.5


def test_what_stands_before_a_gap_in_the_output_is_not_final() -> None:
    gap = "[... 12 lines, 345 bytes left out ...]"
    found = read(f"val_loss: 9.0\nacc: 0.1\n{gap}\nacc: 0.9")
    assert found.metrics == {"acc": 0.9}
    assert "345 bytes" in found.missing("val_loss")
    assert "output_mb" in found.missing("val_loss")
    assert read(f"val_loss: 9.0\n{gap}\nval_loss: 0.5").metrics["val_loss"] == 0.5


def test_what_a_line_says_beyond_its_limit_takes_back_what_it_said_before() -> None:
    long = "x " * 5000 + "val_loss: 0.5"
    assert "8192" in reason(f"val_loss: 0.9\n{long}")
    assert read("val_loss: 0.9\n" + "x " * 5000).metrics["val_loss"] == 0.9


@pytest.mark.parametrize("line", ["got 6.5e-5 points", "got 1.5.2 points", "got -6.5e points"])
def test_a_pattern_that_stops_within_a_number_reads_nothing(line: str) -> None:
    settings = "[metric]\nname = \"acc\"\n[metric.patterns]\nacc = 'got -?([0-9]+\\.[0-9])'"
    assert line in reason(line, settings)
    assert read("got 6.5ms points", settings).metrics == {"acc": 6.5}
    assert read("got -6.5 points", settings).metrics == {}, "the sign is not in the group"


@pytest.mark.parametrize("value", ["1e307", "-1.7e308", "1e101"])
def test_a_metric_near_the_end_of_floating_point_is_no_result(value: str) -> None:
    halt = reading(config(), 1).line(f"val_loss: {value}", 0.0)
    assert halt is not None
    assert halt.status is RunStatus.UNSTABLE
