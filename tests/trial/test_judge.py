"""The judge: which runs are made, in which order, and what becomes of the rule's word."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from trial.memory import GREEDY, Says, change, crash, desk, loss

from autogit.events import Ran
from autogit.protocols import Execution, Job, Judgement, KeptRun, More
from autogit.records import NULL, Run, RunStatus, Verdict

STACK = '[accept]\nrule = "stack"\n'
CHECK = GREEDY + '[check]\ncommand = "python check.py"\n'


def test_what_is_refused_never_runs(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    before = len(made.executor.jobs)
    opened = made.queue.commit(made.queue.propose(replace(change("start", "x\n", "y\n"), refused="too large")))
    assert made.judged(opened) == Judgement(Verdict.INVALID, "too large")
    assert len(made.executor.jobs) == before and opened.runs == []


@pytest.mark.parametrize("operator", ["loss", "undo"])
def test_the_gate_before_training_is_asked_once_and_not_for_an_undo(tmp_path: Path, operator: str) -> None:
    def says(job: Job, text: str, seed: int) -> str | Execution:
        if "check.py" in job.command:
            return crash(reason="two tests fail") if "0.5" in text else ""
        return loss(job, text, seed)

    made = desk(tmp_path, CHECK, says)
    made.baseline()
    opened = made.opened("loss = 0.5\n", operator=operator)
    said = made.judged(opened)
    asked = [job for job in made.executor.jobs if "check.py" in job.command]
    if operator == "undo":
        assert said.verdict is Verdict.ACCEPTED and len(asked) == 1, "the baseline was asked about"
        return
    assert said == Judgement(Verdict.INVALID, "the check failed: two tests fail")
    assert opened.runs == [] and "== check" in opened.logs[0]
    assert len(asked) == 2 and made.judged(made.opened("loss = 0.9\n")).verdict is Verdict.ACCEPTED
    assert len([job for job in made.executor.jobs if "check.py" in job.command]) == 3


def test_the_incumbents_missing_runs_are_made_once_and_told(tmp_path: Path) -> None:
    made = desk(tmp_path)
    baseline = made.baseline()
    opened = made.opened("loss = 0.9\n")
    for _ in range(2):
        made.judge.train_and_evaluate(opened, More(incumbent=(77,)), 0)
    assert made.executor.trained.count((baseline.trial.commit, 77)) == 1
    assert made.session.history["0"].runs[-1].seed == 77
    made.judge.train_and_evaluate(opened, More(candidate=(77, 78)), 0)
    assert [run.seed for run in opened.runs] == [77, 78] and opened.asked == 2
    told = [(event.trial.id, event.run.seed) for event in made.told if isinstance(event, Ran)]
    assert told[-3:] == [("0", 77), ("1", 77), ("1", 78)]


def test_two_slots_make_a_missing_run_once(tmp_path: Path) -> None:
    made = desk(tmp_path)
    baseline = made.baseline()
    slots = [threading.Thread(target=made.judge.fill_missing_run, args=(baseline, 77, slot)) for slot in range(4)]
    for slot in slots:
        slot.start()
    for slot in slots:
        slot.join()
    assert made.executor.trained.count((baseline.trial.commit, 77)) == 1


def test_nothing_is_run_after_a_crash(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.opened("crash\n")
    made.judge.train_and_evaluate(opened, More(candidate=(1, 2, 3)), 0)
    assert [run.status for run in opened.runs] == [RunStatus.CRASHED]
    assert made.judged(opened).verdict is Verdict.CRASHED


def test_finished_runs_are_in_git_before_the_next_begins(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened, seen = made.opened("loss = 0.9\n"), []

    def says(job: Job, text: str, seed: int) -> str | Execution:
        seen.append([kept.run.seed for kept in made.ledger.held.get("1", [])])
        return loss(job, text, seed)

    made.executor._says = says
    made.judge.train_and_evaluate(opened, More(candidate=(5, 6, 7)), 0)
    assert seen == [[], [5], [5, 6]]
    assert {kept.environment["config"] for kept in made.ledger.held["1"]} == {"hash"}


@pytest.mark.parametrize(
    ("status", "facts", "taken"),
    [
        (RunStatus.COMPLETED, {}, True),
        (RunStatus.COMPLETED, {"config": "another"}, False),
        (RunStatus.COMPLETED, {"device": "another"}, False),
        (RunStatus.CRASHED, {}, False),
    ],
)
def test_an_earlier_loops_runs_count_if_they_were_made_alike(
    tmp_path: Path, status: RunStatus, facts: dict[str, str], taken: bool
) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.opened("loss = 0.9\n")
    around = {**made.measurement.environment, "config": "hash", **facts}
    run = Run(4, status, 1.0, 10, {"val_loss": 0.5} if status.counts else {})
    made.ledger.held["1"] = [KeptRun(run, None, "log", "line", True, around)]
    made.judge.resume(opened)
    assert opened.runs == ([run] if taken else []) and opened.kept == len(opened.runs)
    assert opened.spared is taken
    made.judge.resume(opened)
    assert len(opened.runs) == taken, "once"


def test_only_the_first_run_of_a_change_may_be_pruned(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    assert made.pruned == [], "nobody is there to be behind"
    made.judge.train_and_evaluate(made.opened("loss = 0.9\n"), More(candidate=(1, 2), incumbent=(2,)), 0)
    made.judge.train_and_evaluate(made.opened("loss = 0.8\n", operator="undo"), More(candidate=(1,)), 0)
    assert made.pruned == [("1", 1, "0")]


def test_a_null_change_that_wins_has_fooled_the_rule(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.opened("loss = 0.5\n", proposer=NULL, operator=NULL)
    said = made.judged(made.queue.commit(made.queue.propose(replace(change("start", "", ""), proposer=NULL))))
    assert said.verdict is Verdict.REJECTED and "fooled" not in said.statistics
    opened.runs.append(Run(1, RunStatus.COMPLETED, 10.0, 10, {"val_loss": 0.5}))
    said = made.judged(opened)
    assert said.verdict is Verdict.REJECTED and said.statistics["fooled"] == 1.0 and "fooled" in said.reason


@pytest.mark.parametrize("rule", [GREEDY, STACK])
@pytest.mark.parametrize("new", ["loss = 2.0\n", "loss = 0.5\n"])
def test_what_a_person_takes_back_is_taken_back(tmp_path: Path, rule: str, new: str) -> None:
    made = desk(tmp_path, rule)
    made.baseline()
    said = made.judged(made.opened(new, operator="undo"))
    assert said.verdict is Verdict.ACCEPTED
    assert ("taken back, whatever it measures" in said.reason) is (rule == STACK or new == "loss = 2.0\n")
    assert made.judged(made.opened("crash\n", operator="undo")).verdict is Verdict.CRASHED


def stepping(steps: int) -> Says:
    """The baseline trains ten steps, the change `steps`."""

    def says(job: Job, text: str, seed: int) -> str | Execution:
        return f"step {steps if '0.5' in text else 10} loss 1\nval_loss: {text.split()[-1]}"

    return says


@pytest.mark.parametrize(("steps", "verdict"), [(10, Verdict.ACCEPTED), (9, Verdict.ACCEPTED), (11, Verdict.REJECTED)])
def test_more_steps_than_the_baseline_are_no_idea(tmp_path: Path, steps: int, verdict: Verdict) -> None:
    made = desk(tmp_path, GREEDY, stepping(steps))
    made.baseline()
    said = made.judged(made.opened("loss = 0.5\n"))
    assert said.verdict is verdict and ("baseline's 10 hold" in said.reason) is (verdict is Verdict.REJECTED)


def test_a_budget_bounds_the_steps_by_itself(tmp_path: Path) -> None:
    made = desk(tmp_path, GREEDY + "[budget]\nsteps = 20\n", stepping(20))
    made.baseline()
    assert made.judged(made.opened("loss = 0.5\n")).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(("seconds", "fits"), [(1.0, True), (22.0, True), (22.1, False)])
def test_without_steps_twice_the_time_holds(tmp_path: Path, seconds: float, fits: bool) -> None:
    """And two seconds more: a run of a tenth of a second that takes one is a busy machine, no longer training."""
    made = desk(tmp_path)
    made.session.history.add(
        replace(made.baseline(), runs=(Run(1, RunStatus.COMPLETED, 10.0, None, {"val_loss": 1.0}),))
    )
    opened = made.opened("loss = 0.5\n")
    opened.runs.append(Run(1, RunStatus.COMPLETED, seconds, None, {"val_loss": 0.5}))
    said = made.judged(opened)
    assert said.verdict is (Verdict.ACCEPTED if fits else Verdict.REJECTED)
    assert fits or "about the baseline's 10 s hold" in said.reason


def test_a_spared_run_is_noted(tmp_path: Path) -> None:
    made = desk(tmp_path)
    made.baseline()
    opened = made.opened("loss = 2.0\n")
    opened.spared = True
    assert made.judged(opened).statistics["spared"] == 1.0
    assert "spared" not in made.judged(made.opened("loss = 3.0\n")).statistics


def test_the_line_proves_itself_up_to_the_tip_that_raced(tmp_path: Path) -> None:
    made = desk(tmp_path, STACK)
    assert made.judge.prove(0, ending=True) is None, "there is no main"
    baseline = made.baseline()
    assert made.judge.prove(0, ending=True) is None, "there is no line"
    first = made.close(change("start", "loss = 1.0\n", "loss = 0.7\n"))
    second = made.close(change(first.trial.commit, "loss = 0.7\n", "loss = 0.4\n"))
    proof = made.judge.prove(0, ending=True)
    assert proof is not None and proof.judgement.verdict is Verdict.ACCEPTED and proof.against.id == baseline.id
    assert [record.id for record in proof.line] == [first.id, second.id]
    raced = [commit for commit, seed in made.executor.trained if seed != 1]
    assert {*raced} == {baseline.trial.commit, second.trial.commit}, "the steps between are not run again"


def test_the_total_is_measured_once_and_only_if_something_was_gained(tmp_path: Path) -> None:
    made = desk(tmp_path, STACK)
    assert made.judge.total(0) is None
    made.baseline()
    assert made.judge.total(0) is None, "main is the baseline"
    record = made.close(change("start", "loss = 1.0\n", "loss = 0.5\n"))
    record = replace(record, verdict=Verdict.ACCEPTED)
    made.ledger.prove([record])
    made.session.history.add(record)
    found = made.judge.total(0)
    assert found is not None
    main, judgement = found
    assert main.id == record.id and judgement.statistics["gain"] == pytest.approx(0.5)
    made.session.history.add(replace(made.session.history[main.id], checks=({"total": True},)))
    assert made.judge.total(0) is None


def test_a_run_ends_at_the_baselines_first_step_if_runs_compare_by_step(tmp_path: Path) -> None:
    made = desk(tmp_path, GREEDY + '[budget]\nseconds = 60\ncompare = "step"\n', stepping(99))
    made.baseline()
    opened = made.opened("loss = 0.5\n")
    made.judge.train_and_evaluate(opened, More(candidate=(1,)), 0)
    assert (opened.runs[0].status, opened.runs[0].reason) == (
        RunStatus.TIMED_OUT,
        "the budget ended before there was any val_loss",
    )
