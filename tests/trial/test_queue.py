"""Proposals that are made while a trial trains: the same as without haste, on the right base, none paid for twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import git
from llm_server import Hang, LlmServer, Request, Say, Step, answer
from toy import branches, make_toy

from autogit import Lab, wiring
from autogit.events import Closed, Event, Opened
from autogit.history import spending
from autogit.protocols import Context, Proposer
from autogit.records import Proposal, Record, Verdict

QUICK = '[search]\nwait = 0\n[accept]\nrule = "greedy"\nseeds = 1\n'
WIDER = "--- a/train.py\n+++ b/train.py\n@@\n-width = 8\n+width = 32\n"
DRIER = "--- a/train.py\n+++ b/train.py\n@@\n-dropout = 0.5\n+dropout = 0.0\n"


class Paced:
    """The real proposers, held back until a moment of the test's choice."""

    def __init__(self, proposer: Proposer, before: Callable[[], object], after: Callable[[], object]) -> None:
        self.name = proposer.name
        self.notices = proposer.notices  # type: ignore[attr-defined]
        self._proposer = proposer
        self._before = before
        self._after = after

    def propose(self, context: Context) -> Proposal | None:
        self._before()
        try:
            return self._proposer.propose(context)
        finally:
            self._after()


def sequence(folder: Path, monkeypatch: pytest.MonkeyPatch, early: bool) -> list[tuple[str, Verdict]]:
    """A loop in which each proposal is ready long before the running trial ends, or is begun only after its end."""
    made, closed = threading.Semaphore(0), threading.Semaphore(1)
    original = wiring.build_portfolio

    def paced(*arguments: Any) -> Paced:
        return Paced(original(*arguments), (lambda: None) if early else closed.acquire, made.release)

    def watch(event: Event) -> None:
        if early and isinstance(event, Opened) and event.trial.id in map(str, range(1, 8)):
            made.acquire()
        if isinstance(event, Closed) and not event.record.trial.is_baseline:
            closed.release(2)  # a second one where the accepted change makes it be made anew

    monkeypatch.setattr(wiring, "build_portfolio", paced)
    # The portfolio weighs gains by time, which two labs do not share to the millisecond.
    monkeypatch.setattr(Record, "seconds", property(lambda record: float(len(record.runs))))
    make_toy(folder, more=QUICK)
    Lab.open(folder).loop(trials=8, seed=3, observer=watch)
    monkeypatch.undo()
    return [(record.trial.title, record.verdict) for record in Lab.open(folder).trials()]


def test_a_proposal_is_the_same_in_time_or_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early = sequence(tmp_path / "early", monkeypatch, early=True)
    late = sequence(tmp_path / "late", monkeypatch, early=False)
    assert early == late
    assert {Verdict.ACCEPTED, Verdict.REJECTED} <= {verdict for _, verdict in early[1:]}


def test_one_slot_never_tries_anything_on_an_older_main(tmp_path: Path) -> None:
    folder = make_toy(tmp_path / "lab", more=QUICK)
    Lab.open(folder).loop(trials=8)
    tip = ""
    for record in Lab.open(folder).trials():
        assert record.trial.is_baseline or record.trial.base == tip
        tip = record.trial.commit if record.accepted else tip


# ---- what costs money


def paid_lab(folder: Path, server: LlmServer, ideas: int) -> Lab:
    more = f'{QUICK}[llm]\nmodel = "tiny"\nbase_url = "{server.url}"\napi_key_env = ""\nprice_output = 5\n'
    make_toy(folder, more=more)
    lab = Lab.open(folder)
    for number in range(ideas):
        lab.add_idea(f"idea {number}")
    return lab


def changes(folder: Path) -> list[Record]:
    return [record for record in Lab.open(folder).trials() if not record.trial.is_baseline]


def kept(folder: Path) -> list[Proposal]:
    return list(Lab.open(folder).ledger.kept())


def in_turn(*steps: Step) -> Callable[[Request], Step]:
    """One step for each idea; which of them is asked for is told by the prompt."""
    return lambda request: next(step for n, step in enumerate(steps) if f"idea {n}" in request.last)


def test_a_paid_proposal_moves_onto_the_new_main(tmp_path: Path) -> None:
    with LlmServer([Say(answer(WIDER)), Say(answer(DRIER))]) as server:
        paid_lab(tmp_path / "lab", server, ideas=2).loop(trials=2)
    first, second = changes(tmp_path / "lab")
    assert first.accepted and second.accepted
    assert second.trial.base == first.trial.commit
    assert len(server.requests) == 2
    assert "width = 8" in server.requests[1].last, "it was asked for before the first one was accepted"
    assert kept(tmp_path / "lab") == []


def test_what_no_longer_fits_is_recorded_with_its_cost(tmp_path: Path) -> None:
    wider_still = WIDER.replace("+width = 32", "+width = 16")
    with LlmServer([Say(answer(WIDER)), Say(answer(wider_still))]) as server:
        paid_lab(tmp_path / "lab", server, ideas=2).loop(trials=2)
    first, second = changes(tmp_path / "lab")
    assert first.accepted
    assert second.verdict is Verdict.INVALID and "matches nothing in the file" in second.reason
    assert "made for an older main" in server.requests[2].last, "it was given back once, and its answer mended twice"
    total = spending([first, second])
    assert total is not None and total.usage.cost == pytest.approx(len(server.requests) * 200 * 5 / 1e6)


def test_what_no_trial_took_up_waits_in_git_for_the_next_loop(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with LlmServer([Say(answer(WIDER)), Say(answer(DRIER))]) as server:
        lab = paid_lab(folder, server, ideas=2)

        def watch(event: Event) -> None:
            # The first trial reaches the target; the second proposal has been paid for by then.
            while isinstance(event, Opened) and event.trial.number == 1 and not lab.ledger.kept():
                pass

        lab.loop(trials=5, target=1.15, observer=watch)
        (first,) = changes(folder)
        (waiting,) = kept(folder)
        assert waiting.base == first.trial.base and waiting.usage is not None
        Lab.open(folder).loop(trials=1)
    _, second = changes(folder)
    assert len(server.requests) == 2, "what waited was not asked for again"
    assert second.trial.base == first.trial.commit and second.trial.usage == waiting.usage
    assert "dropout = 0.0" in git(folder, "show", f"{second.trial.ref}:train.py")
    assert kept(folder) == []


def test_a_model_that_thinks_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """What the answer had cost until then is in the next loop's record."""
    folder, release = tmp_path / "lab", threading.Event()
    with LlmServer(answer=in_turn(Say(answer(WIDER)), Hang(release))) as server:
        lab = paid_lab(folder, server, ideas=2)

        def watch(event: Event) -> None:
            while isinstance(event, Opened) and event.trial.number == 1 and len(server.requests) < 2:
                pass

        ended = lab.loop(trials=5, target=1.15, observer=watch)
        release.set()
        assert ended.trials == 1
        Lab.open(folder).loop(trials=1)
    _, second = changes(folder)
    assert second.verdict is Verdict.INVALID and "given up when the loop ended" in second.reason
    assert second.trial.usage is not None and second.trial.usage.output_tokens > 0


def test_nobody_waits_for_a_model_after_ctrl_c(tmp_path: Path) -> None:
    folder, release = tmp_path / "lab", threading.Event()

    def hang(request: Request) -> Step:
        os.kill(os.getpid(), signal.SIGINT)
        return Hang(release)

    with LlmServer(answer=hang) as server:
        ended = paid_lab(folder, server, ideas=1).loop(trials=3)
        release.set()
    assert (ended.trials, ended.interrupted) == (0, True)
    assert branches(folder) == ["main"]
    assert changes(folder) == []


def test_a_kill_between_opening_and_clearing_up_does_not_try_it_twice(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with LlmServer([Say(answer(WIDER)), Say(answer(DRIER))]) as server:
        lab = paid_lab(folder, server, ideas=1)
        lab.loop(trials=1)
        (first,) = changes(folder)
        again = Proposal(
            first.trial.base, WIDER, first.trial.title, first.trial.proposer, first.trial.operator,
            usage=first.trial.usage, raw="as it came",
        )  # fmt: skip
        lab.ledger.keep(again)
        Lab.open(folder).loop(trials=1)
    _, second = changes(folder)
    assert second.trial.title != first.trial.title
    assert not second.trial.proposer.startswith("llm") or second.trial.usage != first.trial.usage
