"""When a loop ends, what it counts, and what becomes of crashes: the whole loop, in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from trial.memory import GREEDY, START, Ledger, Numbers, Says, Scripted, change, config, crash, lands, loss

from autogit import wiring
from autogit.errors import BaselineError, BrokenEnvironmentError
from autogit.evaluate import StandardEvaluator
from autogit.events import Closed, Ended, Event, Notice, Opened, Proof, Stopping
from autogit.history import History
from autogit.loop import CRASHES_IN_A_ROW, Loop
from autogit.protocols import Execution, Job, Judgement
from autogit.records import NULL, Verdict
from autogit.trial.jobs import JobMaker
from autogit.trial.judge import Proof as Judged
from autogit.trial.smoke import MAX_DEATHS_IN_A_ROW


class Lab:
    """A loop over `trial.memory`."""

    def __init__(self, folder: Path, proposer: Scripted, more: str = "", says: Says = loss, rule: str = GREEDY) -> None:
        settings = config(more + rule)
        self.told: list[Event] = []
        self.ledger = Ledger(folder, {"train.py": START})
        self.executor = Numbers(self.ledger, says)
        self.history = History(settings.metric)
        self.evaluator = StandardEvaluator(settings, self.history)
        self.services = wiring.Services(
            config=settings, config_hash="hash", ledger=self.ledger, history=self.history, executor=self.executor,
            evaluator=self.evaluator, proposer=proposer, land=lands(self.ledger), jobs=JobMaker(settings, folder),
            pruner=lambda *run: None,
        )  # fmt: skip

    def loop(self, null_rate: float = 0.0) -> Loop:
        return wiring.loop(self.services, self.told.append, null_rate=null_rate)

    def run(self, null_rate: float = 0.0) -> Ended:
        return self.loop(null_rate).run()

    @property
    def verdicts(self) -> list[Verdict]:
        return [record.verdict for record in self.history]

    def heard(self, kind: type) -> list[Event]:
        return [event for event in self.told if isinstance(event, kind)]


def worse(count: int) -> Scripted:
    return Scripted(*(2.0 + number for number in range(count)))


def crashes(count: int) -> list[str]:
    return [f"crash + {number}" for number in range(count)]


def test_the_limit_of_trials_holds_and_the_baseline_is_none(tmp_path: Path) -> None:
    proposer = worse(9)
    lab = Lab(tmp_path, proposer, "[limits]\ntrials = 3\n")
    ended = lab.run()
    assert (ended.reason, ended.trials, ended.accepted) == ("the limit of trials is reached", 3, ())
    assert lab.verdicts == [Verdict.ACCEPTED, *[Verdict.REJECTED] * 3]
    assert len(proposer.asked) == 3, "nothing is thought of that nobody will try"
    assert [event.slot for event in lab.heard(Opened)] == [0] * 4  # type: ignore[attr-defined]
    assert not ended.interrupted and not ended.failed and lab.told[-1] == ended
    record = lab.history["1"]
    assert record.environment["config"] == "hash" and record.environment["device"] == "memory" and record.closed
    assert record.reproduce == "OMP_NUM_THREADS=1 python train.py --seed 1"


def test_patience_counts_from_the_last_improvement(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(2.0, 0.9, 3.0, 4.0, 0.5), "[limits]\npatience = 2\n")
    ended = lab.run()
    assert ended.reason == "patience: 2 trials in a row without an improvement"
    assert ended.trials == 4 and [record.id for record in ended.accepted] == ["2"]


def test_null_changes_take_no_patience(tmp_path: Path) -> None:
    lab = Lab(tmp_path, worse(9), "[limits]\npatience = 2\ntrials = 6\n")
    assert lab.run(null_rate=1.0).reason == "the limit of trials is reached"
    assert {record.trial.proposer for record in lab.history} == {"baseline", NULL}


@pytest.mark.parametrize(("target", "trials"), [(0.801, 2), (0.8009, 3), (1.5, 0)])
def test_the_target_ends_it(tmp_path: Path, target: float, trials: int) -> None:
    lab = Lab(tmp_path, Scripted(0.9, 0.8, 0.7, 0.6), f"[metric]\ntarget = {target}\n")
    ended = lab.run()
    assert ended.trials == trials and ended.reason.startswith("the target is reached: val_loss")


def test_no_time_is_no_trial(tmp_path: Path) -> None:
    ended = Lab(tmp_path, worse(3), "[limits]\nhours = 1e-9\n").run()
    assert ended.trials == 0 and "hours are over" in ended.reason


def test_a_baseline_that_does_not_train_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, worse(1), says=lambda job, text, seed: crash())
    with pytest.raises(BaselineError, match=r"the unchanged code does not train: .*KeyError"):
        lab.run()
    assert lab.ledger.discarded == ["0"] and lab.verdicts == []
    assert isinstance(lab.told[-1], Ended) and lab.told[-1].reason == "ended by an error"


def test_what_beat_an_older_main_is_tried_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(0.9), "[limits]\ntrials = 2\n")
    loop = lab.loop()
    loop.measure_main()
    lab.ledger.moves_main = True
    record = loop.step()
    assert record.verdict is Verdict.SUPERSEDED and record.reason.startswith("beat an older main (")
    again = loop.step()
    assert again.trial.operator == "retry" and again.accepted


def test_a_change_that_dies_in_its_first_step_is_no_trial(tmp_path: Path) -> None:
    proposer = Scripted("crash", 0.9)
    lab = Lab(tmp_path, proposer, "[limits]\ntrials = 1\n")
    ended = lab.run()
    assert ended.trials == 1 and [record.trial.title for record in lab.history][1:] == ["loss = 0.9"]
    assert lab.ledger.discarded == ["1"]
    assert any("dies in its first step, so it is no trial: KeyError" in n.text for n in lab.heard(Notice))  # type: ignore[attr-defined]
    assert [p.title for p in proposer.asked[-1].died] == ["loss = crash"]


def test_after_many_deaths_one_is_recorded(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(*crashes(20)), "[limits]\ntrials = 1\n")
    ended = lab.run()
    assert ended.trials == 1 and lab.verdicts == [Verdict.ACCEPTED, Verdict.CRASHED]
    assert len(lab.ledger.discarded) == MAX_DEATHS_IN_A_ROW


def broken_after(runs: int) -> Says:
    done = [0]

    def says(job: Job, text: str, seed: int) -> str | Execution:
        done[0] += 1
        return loss(job, text, seed) if done[0] <= runs else crash()

    return says


def test_crashes_in_a_row_are_bad_proposals_if_the_incumbent_still_runs(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(*crashes(4), proposer="person"), "[limits]\ntrials = 4\n")
    assert lab.run().trials == 4
    suspected = [n.text for n in lab.heard(Notice) if "crashes in a row" in n.text]  # type: ignore[attr-defined]
    assert suspected == [f"{CRASHES_IN_A_ROW} crashes in a row: does exp/0, the incumbent, still run?"]
    assert lab.executor.trained.count(("start", 1)) == 2 and lab.ledger.reopened == []


def test_crashes_in_a_row_are_a_broken_machine_if_it_does_not(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(*map(float, range(2, 9)), proposer="person"), says=broken_after(2))
    with pytest.raises(BrokenEnvironmentError, match=r"exp/2, exp/3, exp/4 are open again"):
        lab.run()
    assert lab.ledger.reopened == ["2", "3", "4"]


def test_a_crash_among_others_is_not_suspicious(tmp_path: Path) -> None:
    one, two, three, four = crashes(4)
    lab = Lab(tmp_path, Scripted(one, two, 2.0, three, four, proposer="person"), "[limits]\ntrials = 5\n")
    assert lab.run().trials == 5
    assert not any("crashes in a row" in n.text for n in lab.heard(Notice))  # type: ignore[attr-defined]


def test_it_says_once_why_it_stops(tmp_path: Path) -> None:
    lab = Lab(tmp_path, worse(3))
    loop = lab.loop()
    loop.stop("first", by_person=True)
    loop.stop("second", now=True)
    assert lab.told == [Stopping("first", (), True)]
    assert loop._session.cancel.is_set()


def test_a_loop_that_has_nothing_left_says_so(tmp_path: Path) -> None:
    ended = Lab(tmp_path, worse(1)).run()
    assert ended.trials == 1 and "nothing is left to propose" in ended.reason and not ended.failed


# ---- the provisional line

STACK = '[accept]\nrule = "stack"\n'


def test_a_line_is_proved_in_the_end_and_its_steps_say_how(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(0.98, 0.96), "[limits]\ntrials = 2\n", rule=STACK)
    ended = lab.run()
    (proof,) = lab.heard(Proof)
    assert isinstance(proof, Proof) and proof.proved and [r.id for r in proof.trials] == ["1", "2"]
    assert [record.id for record in ended.accepted] == ["1", "2"] and lab.ledger.main() == "c2"
    first, tip = lab.history["1"], lab.history["2"]
    assert first.proof is None and "inside what exp/2 proved" in first.reason
    assert tip.proof is not None and tip.proof["against"] == "0" and "proved as a whole" in tip.reason
    assert any(check.get("total") for check in tip.checks)


def test_a_line_that_is_not_proved_is_dead(tmp_path: Path) -> None:
    def lucky(job: Job, text: str, seed: int) -> str | Execution:
        """Better with the search's seed alone."""
        value = float(text.split()[-1]) if seed == 1 else 1.0
        return f"step 10 loss {value}\nval_loss: {value + seed % 7 / 1000}"

    lab = Lab(tmp_path, Scripted(0.98, 0.96), "[limits]\ntrials = 2\n", says=lucky, rule=STACK)
    ended = lab.run()
    assert ended.accepted == () and lab.ledger.main() == "start" and lab.ledger.tip() == "start"
    assert lab.verdicts == [Verdict.ACCEPTED, Verdict.UNPROVED, Verdict.UNPROVED]
    assert "its line of 2 changes was not proved" in lab.history["1"].reason
    (proof,) = lab.heard(Proof)
    assert isinstance(proof, Proof) and not proof.proved and proof.improvement is None


def test_a_line_on_an_older_main_is_given_up(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(0.9), rule=STACK)
    loop = lab.loop()
    loop.measure_main()
    assert loop.step().kept
    lab.ledger._files["mine"] = {"train.py": START}
    lab.ledger._main, lab.ledger._next = "mine", ""
    loop.measure_main()
    assert lab.history["1"].verdict is Verdict.UNPROVED
    assert lab.history["1"].reason.startswith("main went another way before it was proved; ")
    assert lab.history["2"].trial.commit == "mine"


def test_closed_events_have_what_git_has(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Scripted(0.9), "[limits]\ntrials = 1\n")
    lab.run()
    events = lab.heard(Closed)
    assert [event.record for event in events] == list(lab.ledger.records())  # type: ignore[attr-defined]
    assert [event.improvement for event in events] == [0.0, pytest.approx(100 * 0.1 / 1.001)]  # type: ignore[attr-defined]


def test_a_given_proposal_is_tried(tmp_path: Path) -> None:
    lab = Lab(tmp_path, worse(0))
    loop = lab.loop()
    loop.measure_main()
    assert loop.step(given=change("start", START, "loss = 0.5\n")).accepted


def test_what_was_kept_meanwhile_goes_on_from_what_was_proved(tmp_path: Path) -> None:
    """A slot kept exp/2 on exp/1 while exp/1 raced: the proof is of exp/1 alone."""
    for proved, verdicts in ((True, (Verdict.ACCEPTED, Verdict.KEPT)), (False, (Verdict.UNPROVED, Verdict.UNPROVED))):
        lab = Lab(tmp_path, Scripted(0.98, 0.96), rule=STACK)
        loop = lab.loop()
        loop.measure_main()
        first = loop.step()
        loop.step()
        found = {"gain": 0.02, "low": 0.01, "high": 0.03, "proof_number": 0.0}
        judgement = Judgement(Verdict.ACCEPTED if proved else Verdict.REJECTED, "raced", {}, found)
        loop._record_proof(Judged((first,), lab.history["0"], judgement))
        assert tuple(lab.verdicts[1:]) == verdicts
        assert lab.ledger.main() == ("c1" if proved else "start")
        assert lab.history["1"].checks[0]["proof"] is proved and lab.history["2"].checks == ()
