from __future__ import annotations

import math

import pytest
from evaluate.world import config, execution, trial
from hypothesis import given
from hypothesis import strategies as st

from autogit.evaluate import StandardEvaluator
from autogit.history import History
from autogit.protocols import Ending, Execution, Halt
from autogit.records import Record, Run, RunStatus, Verdict

EVALUATED = '[evaluate]\ncommand = "python evaluate.py"'


def made(text: str, trained: Execution, evaluated: Execution | None = None, text_of_config: str = "") -> Run:
    settings = config(text_of_config)
    evaluator = StandardEvaluator(settings, History(settings.metric))
    return evaluator.run(3, evaluator.reading(3).read(text), trained, evaluated)[0]


def test_facts_are_the_supervisors() -> None:
    run = made("step 9 loss 2.5\nval_loss: 2.0\nwall_seconds: 0.001\npeak_memory_mb: 1", execution())
    assert (run.seed, run.status, run.step, run.seconds) == (3, RunStatus.COMPLETED, 9, 5.0)
    assert run.metrics["wall_seconds"] == 5.0
    assert run.metrics["peak_memory_mb"] == 256.0
    assert run.metrics["perplexity"] == pytest.approx(math.exp(2.0))


@pytest.mark.parametrize("loss", [-0.1, 1e6])
def test_what_is_no_cross_entropy_has_no_perplexity(loss: float) -> None:
    assert "perplexity" not in made(f"val_loss: {loss}", execution()).metrics


def test_exit_0_without_the_metric_is_a_crash_that_names_what_was_found() -> None:
    run = made("validation_loss: 2.0", execution())
    assert run.status is RunStatus.CRASHED
    assert '"val_loss"' in run.reason
    assert "validation_loss" in run.reason


@pytest.mark.parametrize(
    ("text", "ending", "status"),
    [
        ("val_loss: 2.0", Ending.BUDGET, RunStatus.TRUNCATED),
        ("step 1 loss 2.0", Ending.BUDGET, RunStatus.TIMED_OUT),
        ("val_loss: 2.0", Ending.TIMEOUT, RunStatus.TIMED_OUT),
        ("val_loss: 2.0", Ending.LIMIT, RunStatus.CRASHED),
        ("val_loss: nan", Ending.EXITED, RunStatus.UNSTABLE),
        ("val_loss: 2.0\nstep 7 loss inf", Ending.BUDGET, RunStatus.UNSTABLE),
    ],
)
def test_how_it_ended(text: str, ending: Ending, status: RunStatus) -> None:
    assert made(text, execution(ending=ending)).status is status


def test_a_failing_exit_keeps_its_reason_and_no_number_counts() -> None:
    run = made("val_loss: 0.1", execution(status=1, reason="KeyError: 'x' (model.py:41)"))
    assert (run.status, run.reason) == (RunStatus.CRASHED, "KeyError: 'x' (model.py:41)")
    assert not run.status.counts


@pytest.mark.parametrize(
    "trained",
    [
        execution(status=1),
        execution(ending=Ending.TIMEOUT),
        execution(ending=Ending.LIMIT),
        execution(ending=Ending.HALTED, halt=Halt(RunStatus.PRUNED, "behind")),
        execution(ending=Ending.HALTED, halt=Halt(RunStatus.UNSTABLE, "diverged")),
    ],
)
@pytest.mark.parametrize("metric", ["val_loss", "accuracy"])
def test_a_run_that_does_not_count_has_no_result(trained: Execution, metric: str) -> None:
    """Whatever it had printed: half a run's loss is no loss, and its perplexity none either."""
    run = made(f"val_loss: 2.0\n{metric}: 0.5\nother: 1.0", trained, None, f'[metric]\nname = "{metric}"')
    assert not run.status.counts
    assert run.metrics.keys().isdisjoint({metric, "val_loss", "perplexity"})
    assert run.metrics["wall_seconds"] == trained.seconds, "what the supervisor measured stays"


@given(st.lists(st.floats(), min_size=1, max_size=4), st.sampled_from([Ending.EXITED, Ending.BUDGET, Ending.TIMEOUT]))
def test_every_number_of_a_run_is_finite(values: list[float], ending: Ending) -> None:
    text = "".join(f"step {n} loss {value}\nval_loss: {value}\n" for n, value in enumerate(values, 1))
    run = made(text, execution(ending=ending))
    assert all(map(math.isfinite, run.metrics.values()))
    assert ("val_loss" in run.metrics) is run.status.counts


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_run_can_be_made_of_what_is_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Run(1, RunStatus.COMPLETED, 1.0, metrics={"val_loss": value})


def test_a_halt_says_the_status() -> None:
    run = made("step 5 loss 2", execution(ending=Ending.HALTED, halt=Halt(RunStatus.PRUNED, "behind exp/0")))
    assert (run.status, run.reason) == (RunStatus.PRUNED, "behind exp/0")


def test_the_evaluators_numbers_replace_what_training_printed() -> None:
    text = "val_loss: 0.01\nperplexity: 1.0\nthroughput_tokens_per_sec: 900"
    run = made(text, execution(), execution("val_loss: 2.5"), EVALUATED)
    assert run.status is RunStatus.COMPLETED
    assert run.metrics["val_loss"] == 2.5
    assert run.metrics["perplexity"] == pytest.approx(math.exp(2.5))
    assert run.metrics["throughput_tokens_per_sec"] == 900


@pytest.mark.parametrize(
    ("evaluated", "status", "reason"),
    [
        (None, RunStatus.CRASHED, "evaluator: was not run"),
        (execution(status=1, reason="no checkpoint"), RunStatus.CRASHED, "evaluator: no checkpoint"),
        (execution("acc: 1"), RunStatus.CRASHED, 'evaluator: no "val_loss"'),
        (execution("val_loss: nan"), RunStatus.UNSTABLE, "evaluator: val_loss is nan"),
        (execution("val_loss: 0.1\nrefused: sees the future"), RunStatus.REFUSED, "sees the future"),
        (execution("refused: sees the future", status=3), RunStatus.REFUSED, "sees the future"),
    ],
)
def test_without_the_evaluators_word_nothing_counts(
    evaluated: Execution | None, status: RunStatus, reason: str
) -> None:
    run = made("val_loss: 0.01", execution(), evaluated, EVALUATED)
    assert run.status is status
    assert run.reason.startswith(reason)
    assert "val_loss" not in run.metrics


def test_the_shape_of_training_is_measured() -> None:
    text = "\n".join(f"step {step} loss {5 - 0.01 * step}" for step in range(0, 200, 10)) + "\nval_loss: 3.0"
    evaluator = StandardEvaluator(config(), History(config().metric))
    run, curve = evaluator.run(1, evaluator.reading(1).read(text), execution(), None)
    assert curve is not None
    assert len(curve.steps) == 20
    assert run.metrics["early_trend"] == pytest.approx(-0.01)
    assert run.metrics["final_loss"] == pytest.approx(3.15)
    assert run.metrics["training_stability"] == pytest.approx(1.0)
    assert run.metrics["steps_to_baseline_loss"] == 190.0


@given(st.lists(st.text(max_size=60) | st.sampled_from(["val_loss: nan", "val_loss: 1e999", "step 1 loss 3"])))
def test_whatever_is_printed_only_finite_numbers_are_recorded(lines: list[str]) -> None:
    run = made("\n".join(lines), execution())
    assert all(math.isfinite(value) for value in run.metrics.values())
    assert run.status.counts <= ("val_loss" in run.metrics)


def test_training_overrides_nothing_that_the_evaluator_measured() -> None:
    printed = "val_loss: 0.1\nmemory: 1\nspeed: 7\nperplexity: 1"
    run = made(printed, execution(), execution("val_loss: 2.0\nmemory: 900"), EVALUATED)
    assert (run.metrics["val_loss"], run.metrics["memory"]) == (2.0, 900.0)
    assert run.metrics["speed"] == 7.0, "what the evaluator does not measure is the script's own word"
    assert run.metrics["perplexity"] == pytest.approx(math.exp(2.0))


def test_the_goal_is_the_baselines_final_loss_and_is_told_by_the_history() -> None:
    history = History(config().metric)
    evaluator = StandardEvaluator(config(), history)
    text = "\n".join(f"step {step} loss {5 - 0.01 * step}" for step in range(0, 200, 10)) + "\nval_loss: 3.0"

    def reached() -> float:
        return evaluator.run(1, evaluator.reading(1).read(text), execution(), None)[0].metrics["steps_to_baseline_loss"]

    assert reached() == 190.0
    history.add(Record(trial("0"), Verdict.ACCEPTED, "", {"val_loss": 3.5, "final_loss": 4.0}))
    assert reached() == 110.0


def test_a_rising_series_reaches_the_baselines_level_from_below() -> None:
    settings = config('[metric]\nname = "acc"\ndirection = "max"')
    history = History(settings.metric)
    history.add(Record(trial("0"), Verdict.ACCEPTED, "", {"acc": 0.5, "final_loss": 0.5}))
    evaluator = StandardEvaluator(settings, history)
    text = "\n".join(f"step {step} acc {step / 100}" for step in range(0, 100, 10))
    run, _ = evaluator.run(1, evaluator.reading(1).read(text), execution(), None)
    assert run.metrics["steps_to_baseline_loss"] == 50.0
