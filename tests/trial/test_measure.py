"""One run of a trial: which commands run, what they may write, what bounds them, and what is known afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from trial.memory import GREEDY, crash, desk, loss

from autogit.errors import Interrupted, WorkspaceError
from autogit.events import Progress
from autogit.protocols import Execution, Halt, Job
from autogit.records import Run, RunStatus, Trial
from autogit.trial.measure import Pulse, TrainingMonitor

EVALUATED = GREEDY + '[evaluate]\ncommand = "python evaluate.py"\naudit = "python audit.py"\n'
TRIAL = Trial("0", "start", "start", "Baseline", "baseline", "baseline")


def commands(jobs: list[Job]) -> list[str]:
    return [next(word for word in job.command.split() if word.endswith(".py")) for job in jobs]


def evaluated(job: Job, text: str, seed: int) -> str | Execution:
    if "train.py" in job.command:
        (job.out / "weights").write_text("w")
        return "step 3 loss 2.0\nval_loss: 0.001"
    return "val_loss: 3.0" if "audit" in job.command else "val_loss: 2.0"


def test_the_evaluator_comes_after_training_and_cannot_write(tmp_path: Path) -> None:
    made = desk(tmp_path, EVALUATED, evaluated)
    measured = made.measurement.run(TRIAL, 5, 0, 9.0)
    train, evaluate = made.executor.jobs
    assert commands([train, evaluate]) == ["train.py", "evaluate.py"]
    assert (train.out_read_only, evaluate.out_read_only, train.timeout) == (False, True, 9.0)
    assert (measured.run.seed, measured.run.metrics["val_loss"]) == (5, 2.0), "what training said of it is gone"
    assert measured.run.metrics["lines_of_code"] == 1.0
    assert "== seed 5: completed" in measured.log and "== seed 5: evaluation" in measured.log
    assert "metrics" not in made.measurement.environment


def test_a_crash_is_not_evaluated_and_has_no_lines(tmp_path: Path) -> None:
    made = desk(tmp_path, EVALUATED, lambda job, text, seed: crash())
    run = made.measurement.run(TRIAL, 5, 0, None).run
    assert commands(made.executor.jobs) == ["train.py"]
    assert run.status is RunStatus.CRASHED and run.metrics.keys() == {"wall_seconds", "peak_memory_mb"}


def test_a_run_starts_with_an_empty_folder(tmp_path: Path) -> None:
    made = desk(tmp_path, EVALUATED, evaluated)
    old = made.measurement.out(TRIAL, 5) / "old"
    old.parent.mkdir(parents=True)
    old.write_text("")
    made.measurement.run(TRIAL, 5, 0, None)
    assert [path.name for path in old.parent.iterdir()] == ["weights"]
    assert old.parent == tmp_path / "out" / "0" / "5"


def test_the_audit_scores_output_that_is_still_there(tmp_path: Path) -> None:
    made = desk(tmp_path, EVALUATED, evaluated)
    assert made.measurement.audit(TRIAL, 5, 0) is None and made.executor.jobs == []
    made.measurement.out(TRIAL, 6).mkdir(parents=True)
    assert made.measurement.audit(TRIAL, 6, 0) is None, "empty is gone"
    made.measurement.run(TRIAL, 5, 0, None)
    audited = made.measurement.audit(TRIAL, 5, 0)
    assert audited is not None and audited.metrics["val_loss"] == 3.0
    assert commands(made.executor.jobs) == ["train.py", "evaluate.py", "audit.py"]


def test_compute_is_turned_into_steps_once_a_commit(tmp_path: Path) -> None:
    more = GREEDY + '[budget]\nflops = 1e9\ncommand = "python budget.py {flops}"\n'
    answers = ["steps: 40"]

    def says(job: Job, text: str, seed: int) -> str | Execution:
        return answers[-1] if "budget.py" in job.command else loss(job, text, seed)

    made = desk(tmp_path, more.replace("{seed}", "{seed}"), says)
    made.measurement.run(TRIAL, 1, 0, None)
    made.measurement.run(TRIAL, 2, 0, None)
    assert commands(made.executor.jobs) == ["budget.py", "train.py", "train.py"]
    shares = [event.share for event in made.told if isinstance(event, Progress)]
    assert shares == [0.25, 0.25], "step 10 of 40"
    answers.append("no idea")
    refused = desk(tmp_path, more, says).measurement.run(TRIAL, 1, 0, None).run
    assert not refused.status.counts


def test_a_whole_training_is_watched_before_a_change_is_accepted(tmp_path: Path) -> None:
    more = GREEDY + '[budget]\nflops = 1e9\ncommand = "python budget.py"\ncheck = "python watch.py"\n'
    said: list[str | Execution] = ["fine"]

    def says(job: Job, text: str, seed: int) -> str | Execution:
        return said[-1] if "watch.py" in job.command else "steps: 40"

    made = desk(tmp_path, more, says).measurement
    assert made.overspent(TRIAL, 1, 0, 5.0) == ""
    said.append("refused: first\nrefused: takes 2e9 FLOPs ")
    assert made.overspent(TRIAL, 1, 0, 5.0) == "takes 2e9 FLOPs"
    said.append(crash(reason="out of memory"))
    assert made.overspent(TRIAL, 1, 0, 5.0) == "budget.check failed: out of memory"
    assert desk(tmp_path).measurement.overspent(TRIAL, 1, 0, None) == "", "nobody watches without the command"


def test_held_out_paths_are_asked_for_once_and_hidden_from_training(tmp_path: Path) -> None:
    more = GREEDY + '[evaluate]\ncommand = "python evaluate.py"\nholdout = "python holdout.py"\n'

    def says(job: Job, text: str, seed: int) -> str | Execution:
        return "/secret/a\nnoise\n/secret/b\ndata_hash: abc" if "holdout" in job.command else evaluated(job, text, seed)

    made = desk(tmp_path, more, says)
    for seed in (1, 2):
        made.measurement.run(TRIAL, seed, 0, None)
    names = commands(made.executor.jobs)
    assert names == ["holdout.py", "train.py", "evaluate.py", "train.py", "evaluate.py"]
    masked = [job.masked for job, name in zip(made.executor.jobs, names, strict=True) if name == "train.py"]
    assert masked == [(Path("/secret/a"), Path("/secret/b"))] * 2
    assert made.measurement.environment["data"] == "abc"
    with pytest.raises(WorkspaceError, match=r"evaluate\.holdout failed \(KeyError"):
        desk(tmp_path, more, lambda job, text, seed: crash()).measurement.run(TRIAL, 1, 0, None)


def test_what_bounds_a_run(tmp_path: Path) -> None:
    made = desk(tmp_path).measurement
    runs = [Run(1, RunStatus.COMPLETED, seconds) for seconds in (3.0, 7.0, 5.0)]
    assert made.timeout([]) is None and made.timeout(runs) == 5 * 7.0 + 10.0
    fixed = desk(tmp_path, GREEDY + "[budget]\ntimeout = 60\n").measurement
    assert fixed.timeout([]) == fixed.timeout(runs) == 60.0


def test_the_environment_says_what_numbers_rest_on(tmp_path: Path) -> None:
    plain = desk(tmp_path).measurement.environment
    assert plain["metrics"] == "self-reported" and plain["device"] == "memory" and plain["terms"]
    assert "run_seconds" not in plain and "data" not in plain
    assert desk(tmp_path, GREEDY + "[budget]\nseconds = 30\n").measurement.environment["run_seconds"] == 30.0


def test_a_stopped_run_is_none(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.session.cancel.set()
    with pytest.raises(Interrupted):
        made.measurement.run(TRIAL, 1, 0, None)


# ---- listening


@dataclass
class Asked:
    """A pruner that stops at a step, and remembers what it was asked."""

    at: int
    metric: str = "loss"
    halt: Halt | None = None
    asked: list[tuple[int, float, float | None]] = field(default_factory=list)

    def check(self, step: int, loss: float, share: float | None = None) -> Halt | None:
        self.asked.append((step, loss, share))
        return Halt(RunStatus.PRUNED, "behind") if step >= self.at else None


def listening(
    folder: Path, pruner: Asked | None = None, until: int | None = None, budget: float | None = None
) -> tuple[TrainingMonitor, list[Pulse]]:
    pulses: list[Pulse] = []
    reading = desk(folder).evaluator.reading(1)
    return TrainingMonitor(reading, pruner, pulses.append, until, budget), pulses


def test_the_pruner_is_asked_at_new_steps_alone(tmp_path: Path) -> None:
    pruner = Asked(at=3)
    monitor, pulses = listening(tmp_path, pruner, budget=10.0)
    assert monitor.line("hello", 1.0) is None
    for step, seconds in ((1, 2.0), (1, 3.0), (2, 6.0)):
        assert monitor.line(f"step {step} loss {1 / step}", seconds) is None
    assert monitor.line("step 3 loss 0.3", 8.0) == Halt(RunStatus.PRUNED, "behind")
    assert pruner.asked == [(1, 1.0, 0.0), (2, 0.5, 0.5), (3, 0.3, 0.75)], "time counts from the first report"
    assert len(pulses) == 3


def test_an_unstable_run_is_not_asked_about(tmp_path: Path) -> None:
    pruner = Asked(at=1)
    monitor, _ = listening(tmp_path, pruner)
    halt = monitor.line("step 1 loss nan", 1.0)
    assert halt is not None and halt.status is RunStatus.UNSTABLE and pruner.asked == []


def test_enough_steps_are_enough(tmp_path: Path) -> None:
    monitor, _ = listening(tmp_path, until=5)
    assert monitor.line("step 4 loss 1", 1.0) is None
    assert monitor.line("step 5 loss 1", 2.0) == Halt(RunStatus.TRUNCATED, "reached step 5")


def test_a_pulse_tells_of_silence_and_of_busy_cores(tmp_path: Path) -> None:
    monitor, pulses = listening(tmp_path)
    monitor.line("loading", 1.0)
    monitor.line("   ", 2.0)
    monitor.tick(3.0, 1.0)
    monitor.tick(5.0, 5.0)
    monitor.tick(6.0, None)
    assert [pulse.line for pulse in pulses] == ["loading"] * 3
    assert [pulse.quiet for pulse in pulses] == [1.0, 3.0, 4.0]
    assert [pulse.cores for pulse in pulses] == [None, 2.0, 2.0]
