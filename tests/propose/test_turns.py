from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from propose.fabricated import Bench, NoRevisions, config, record

from autogit.config.model import Limits
from autogit.diff import applied, unified
from autogit.errors import ProposerError, VerdictAwaitedError
from autogit.history import History
from autogit.propose import build_portfolio
from autogit.propose.beliefs import Arms, beliefs
from autogit.propose.notices import Notices
from autogit.propose.portfolio import Portfolio, rung
from autogit.propose.proposer import Rung, Traits
from autogit.propose.registry import GROUP
from autogit.protocols import Context
from autogit.records import Idea, Proposal, Usage, Verdict

TRAIN = "a = 1\nb = 2\nlr = 0.1\n"


@dataclass
class Scripted(Traits):
    """Proposes a new line each time, under a name; or whatever it is told."""

    name: str
    text: Callable[[Context], str | None] = lambda context: f"x = {context.rng.integers(2**40)}\n"
    operator: str = ""

    def __post_init__(self) -> None:
        self.costs = self.name.startswith(("llm", "agent"))
        self.second_hand = self.name in ("combine", "revisit", "ablate")
        self.rung = next((rung for rung in Rung if rung and rung == self.name), Rung.NONE)
        self.leads_opening = self.name == "bundle"
        self.weighs_values = self.name in ("hyperparameters", "refine")

    def propose(self, context: Context) -> Proposal | None:
        made = self.text(context)
        if made is None:
            return None
        diff = unified(context.files, {"train.py": context.files["train.py"] + made})
        return Proposal(context.base, diff, made, self.name, self.operator or self.name,
                        usage=Usage(1, 1) if self.costs else None)  # fmt: skip


def bench(patience: int | None = None, seed: int = 0) -> Bench:
    made = config("lr = [0.1, 0.2]")
    return Bench({"train.py": TRAIN}, replace(made, limits=Limits(patience=patience)), seed)


def turns(lab: Bench, chosen: Portfolio, count: int, wins: dict[str, float], gain: float = 0.01) -> Counter[str]:
    """Who got how many turns, where each proposer's trials win with a probability of its own."""
    luck = np.random.default_rng(5)
    seen: Counter[str] = Counter()
    for _ in range(count):
        proposal = chosen.propose(lab.context())
        assert proposal is not None
        seen[proposal.proposer] += 1
        incumbent = lab.history.at(lab.base)
        assert incumbent is not None
        value = lab.history.value(incumbent)
        assert value is not None
        if luck.random() < wins.get(proposal.proposer, 0.0):
            lab.close(proposal, value * (1 - gain), Verdict.ACCEPTED)
            lab.files.update({k: v for k, v in (applied(lab.files, proposal.diff) or {}).items() if v is not None})
        else:
            lab.close(proposal, value * 1.01, Verdict.REJECTED)
    return seen


def test_who_brings_more_gets_more_turns_and_nobody_none() -> None:
    seen = turns(
        bench(), Portfolio([Scripted("good"), Scripted("poor"), Scripted("bad")]), 120, {"good": 0.4, "poor": 0.05}
    )
    assert seen["good"] > 0.5 * 120
    assert min(seen.values()) >= 120 * 0.2 / 3 / 2


def test_gain_is_counted_per_second() -> None:
    history = History(bench().config.metric, [record("0", "c0", "c0", 1.0, proposer="baseline")])
    for i in range(1, 41):
        quick, won = i % 2 == 0, i % 4 < 2
        history.add(
            record(str(i), f"c{i}", "c0", 0.99 if won else 1.1, Verdict.ACCEPTED if won else Verdict.REJECTED,
                   "quick" if quick else "slow", "x", seconds=10 if quick else 100)
        )  # fmt: skip
    first, *_ = beliefs(history)
    assert first.proposer == "quick" and first.attempts == 20 and first.accepted == 10
    arms = Arms.of(history)
    assert arms.belief("quick").rate > 3 * arms.belief("slow").rate
    assert arms.belief("nobody").attempts == 0 and 0 < arms.belief("nobody").probability < 0.5


def test_what_was_long_ago_counts_less() -> None:
    history = History(bench().config.metric, [record("0", "c0", "c0", 1.0, proposer="baseline")])
    for i in range(1, 200):
        early = i < 100
        history.add(
            record(
                str(i), f"c{i}", "c0", 0.99, Verdict.ACCEPTED if early and i % 3 == 0 else Verdict.REJECTED, "p", "x"
            )
        )
    assert Arms.of(history).belief("p").probability < 0.05


def test_models_have_at_most_their_share_while_others_yield() -> None:
    lab = bench()
    seen = turns(
        lab, Portfolio([Scripted("llm:m"), Scripted("agent"), Scripted("x")]), 60, {"llm:m": 0.9, "agent": 0.9}
    )
    assert sum(seen[name] for name in seen if name.startswith(("llm", "agent"))) <= 0.3 * 60 + 1
    assert seen["llm:m"] > 0
    alone = turns(bench(), Portfolio([Scripted("llm:m"), Scripted("x", lambda context: None)]), 10, {})
    assert alone == {"llm:m": 10}


def test_a_queued_idea_goes_to_a_model_at_once() -> None:
    class Asked(NoRevisions):
        def ideas(self) -> tuple[Idea, ...]:
            return (Idea("1", "try rope", "2024-01-01T00:00:00+00:00"),)

    lab = bench()
    for _ in range(6):
        proposal = Portfolio([Scripted("x"), Scripted("llm:m")]).propose(lab.context(revisions=Asked({})))
        assert proposal is not None and proposal.proposer == "llm:m"


def test_who_cannot_go_on_is_left_out_and_that_is_said() -> None:
    def broken(context: Context) -> str | None:
        raise ProposerError("the key was refused")

    chosen = Portfolio([Scripted("llm:m", broken), Scripted("x", lambda context: None)])
    lab = bench()
    with pytest.raises(ProposerError, match=r"nothing is left to propose on this main; llm:m is left out: the key was"):
        chosen.propose(lab.context())
    assert chosen.notices.take() == ("llm:m is left out from now on: the key was refused",)
    with pytest.raises(ProposerError):
        chosen.propose(lab.context())
    assert chosen.notices.take() == ()


@pytest.mark.parametrize(("seconds", "ahead", "waits"), [(0.5, 1, True), (0.5, 4, False), (3.0, 1, False)])
def test_a_model_waits_for_the_verdict_while_that_costs_a_tenth_of_the_time(
    seconds: float, ahead: int, waits: bool
) -> None:
    """Trials of ten seconds."""
    lab, chosen = bench(), Portfolio([Scripted("llm:m")])
    first = chosen.propose(lab.context())
    assert first is not None
    lab.close(replace(first, usage=Usage(seconds=seconds)), 1.1, Verdict.REJECTED)
    made = lab.history["1"]
    lab.history.add(replace(made, trial=replace(made.trial, usage=Usage(seconds=seconds))))
    if waits:
        with pytest.raises(VerdictAwaitedError):
            chosen.propose(lab.context(ahead=ahead))
    else:
        assert chosen.propose(lab.context(ahead=ahead)) is not None
    assert chosen.propose(lab.context()) is not None


def test_what_proposers_have_to_say_is_passed_on() -> None:
    class Talker(Scripted):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.notices = Notices()
            self.notices.say("hello")

    chosen = Portfolio([Talker("t")])
    chosen.propose(bench().context())
    assert chosen.notices.take() == ("hello",)


def test_duplicates_layout_and_reverts_are_not_run() -> None:
    lab = bench()
    first = Scripted("x", lambda context: "y = 1\n").propose(lab.context())
    assert first is not None
    lab.close(first, 1.1, Verdict.REJECTED)
    for text in ("y = 1\n", "y  =  1  # the same\n", "# nothing\n"):
        assert Portfolio([Scripted("x", lambda context, text=text: text)]).propose(lab.context()) is None
    again = Portfolio([Scripted("x", lambda context: "y = 2\n")]).propose(lab.context())
    assert again is not None
    lab.pending = (again,)
    assert Portfolio([Scripted("x", lambda context: "y = 2\n")]).propose(lab.context()) is None
    lab.pending = ()
    lab.close(again, 0.9, Verdict.ACCEPTED)
    lab.files["train.py"] += "y = 2\n"

    class Reverts:
        name = "r"

        def propose(self, context: Context) -> Proposal | None:
            return Proposal(context.base, unified(context.files, {"train.py": TRAIN}), "back", "r", "r")

    assert Portfolio([Reverts()]).propose(lab.context()) is None


def test_a_models_duplicate_is_refused_and_recorded() -> None:
    lab = bench()
    proposal = Portfolio([Scripted("llm:m", lambda context: "# nothing\n")]).propose(lab.context())
    assert proposal is not None and proposal.refused == "it changes nothing that runs"


@pytest.mark.parametrize(("patience", "width"), [(None, 8), (12, 2)])
def test_the_ladder_is_climbed_and_told_from_the_records_alone(patience: int | None, width: int) -> None:
    lab = bench(patience)
    chosen = Portfolio([Scripted("x"), *(Scripted(r.value) for r in Rung if r), Scripted("llm:m")])
    steps, said = [], []
    for _ in range(6 * width):
        steps.append(rung(lab.history, lab.config.limits))
        proposal = chosen.propose(lab.context())
        assert proposal is not None
        said += chosen.notices.take()
        if not lab.history.since_accepted % 2 and steps[-1] not in (Rung.NONE, Rung.RADICAL):
            assert proposal.proposer == steps[-1]
        lab.close(proposal, 1.1, Verdict.REJECTED)
    assert steps == [step for step in Rung for _ in range(width)]
    assert len(said) == 5 and said[1].endswith(f"{2 * width} trials since exp/0 without an improvement; "
                                               "combining near misses from here on")  # fmt: skip
    fresh = Portfolio([])
    fresh.propose(lab.context())
    assert fresh.notices.take() == (said[-1],)


def test_a_restart_proposes_the_same() -> None:
    space = "lr = { low = 0.01, high = 1.0, log = true }\nwd = { low = 0.0, high = 1.0 }\n"
    labs = [Bench({"train.py": "lr = 0.1\nwd = 0.1\n"}, config(space), 3) for _ in range(2)]
    kept = build_portfolio(labs[0].config)
    for trial in range(25):
        whole, fresh = kept.propose(labs[0].context()), build_portfolio(labs[1].config).propose(labs[1].context())
        assert whole == fresh and whole is not None, trial
        for lab in labs:
            if trial % 5 == 2:
                lab.close(whole, 0.9 - trial / 100, Verdict.ACCEPTED)
                lab.files.update({k: v for k, v in (applied(lab.files, whole.diff) or {}).items() if v is not None})
            else:
                lab.close(whole, 1.0, Verdict.REJECTED)


def test_a_proposer_comes_from_another_package_and_one_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nbroken = theirs:Broken\nmine = theirs:Mine\n")
    (tmp_path / "theirs.py").write_text(
        "class Mine:\n    name = 'mine'\n    def propose(self, context): return None\n"
        "class Broken:\n    def __init__(self): raise RuntimeError('no licence')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    built = build_portfolio(bench().config)
    assert "mine" in built.names and "broken" not in built.names
    (said,) = built.notices.take()
    assert "broken" in said and "no licence" in said
