"""Who proposes next: the portfolio of all proposers, as one; and what is done when nothing wins any more."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autogit.config.model import Limits
from autogit.errors import CostLimitError, ProposerError, VerdictAwaitedError
from autogit.history import History
from autogit.propose.beliefs import Arms
from autogit.propose.lineage import on_main, waiting
from autogit.propose.models.answer import to_mend
from autogit.propose.notices import Notices, Speaking
from autogit.propose.novelty import Novelty
from autogit.propose.operators.refine import winning_kinds
from autogit.propose.proposer import Rung, traits
from autogit.propose.search.failures import failed_moves
from autogit.protocols import Context, Proposer, Revisions
from autogit.records import Curve, Idea, Proposal, Record

BY_LOT_SHARE = 0.2
"""Share of the turns that are given by lot, so that everyone is heard."""
MAX_MODEL_SHARE = 0.3
"""Share of the latest MODEL_SHARE_TRIALS trials that models and agents have at most, while others can go on, if
the configuration names no share."""
LEADING_SHARE = 0.5
"""From this share on models lead, and no bundles open before them."""
TIMED_CALLS = 5
"""The latest calls, and the latest trials, by which it is known how long they take."""
MODEL_SHARE_TRIALS = 20
MAX_LOOKED_AT = 6
"""Proposals of one proposer that are looked at in one turn, if those before teach nothing new."""
OPENING_ACCEPTS = 3
"""Accepted changes until which every other turn is that of bundles: a start is seldom near the best."""
OPENING_LOSSES = 6
"""Bundles in a row that lost, after which the opening is over, too."""
OFFERS = 2
"""Proposals among which the most promising kind of move is chosen."""


class Portfolio:
    """Gives turns by discounted Thompson sampling on accepted improvement per second of training.

    What it knows is told from the records alone. A proposer with nothing to propose is passed over; one that cannot go
    on is left out for the rest of the loop. What there is to say of both is in `notices`.
    """

    name = "portfolio"

    def __init__(self, proposers: Sequence[Proposer], notices: Notices | None = None) -> None:
        self.notices = notices or Notices()
        self._proposers = list(proposers)
        self._second_hand = frozenset(p.name for p in proposers if traits(p).second_hand)
        self._novelty = Novelty()
        self._remembered = Remembered()
        self._left_out: dict[str, ProposerError] = {}

    @property
    def names(self) -> list[str]:
        """The names of the proposers."""
        return [proposer.name for proposer in self._proposers]

    def propose(self, context: Context) -> Proposal | None:
        """Returns the next proposal; None if nobody has one. Raises ProposerError if nobody has one, and somebody was
        left out; VerdictAwaitedError if a model has the turn and had better know the latest verdict."""
        context = replace(context, revisions=self._remembered.of(context.revisions))
        self.notices.say(*filter(None, [word(context.history, context.config.limits)]))
        arms, failed = Arms.of(context.history, self._second_hand), failed_moves(context.history)
        for proposer in self._makers(context) or self._order(context, arms):
            proposal = self._ask(proposer, context, arms, failed)
            if isinstance(proposer, Speaking):
                self.notices.say(*proposer.notices.take())
            if proposal is not None:
                return proposal
        self._raise_if_left_out(context)
        return None

    def _makers(self, context: Context) -> list[Proposer]:
        """Who made the proposal that is given back, if one is."""
        return [p for p in self._proposers if context.stale and p.name == context.stale.proposer]

    def _raise_if_left_out(self, context: Context) -> None:
        if context.stale or not self._left_out:
            return
        words = "; ".join(f"{name} is left out: {error}" for name, error in self._left_out.items())
        limits = [error for error in self._left_out.values() if isinstance(error, CostLimitError)]
        if len(limits) == len(self._left_out):
            raise CostLimitError(str(limits[0]))
        raise ProposerError(f"nothing is left to propose on this main; {words}" if self._proposers else words)

    def _order(self, context: Context, arms: Arms) -> list[Proposer]:
        """Everyone, in the order in which they are asked."""
        rng, everyone = context.rng, list(self._proposers)
        by_lot = rng.random() < BY_LOT_SHARE
        drawn = {p.name: float(rng.random()) if by_lot else arms.draw(rng, p.name) for p in everyone}
        order = sorted(everyone, key=lambda p: -drawn[p.name])
        order.sort(key=lambda p: not _has_the_turn(p, context))
        mending = {p.name for p in everyone if _has_to_mend(p, context)}
        if mending:
            return sorted(order, key=lambda p: p.name not in mending)
        if waiting(context.revisions.ideas(), context.history, context.pending):
            # A person asked for something that only a model can do.
            return sorted(order, key=lambda p: not traits(p).costs)
        lead = _models_turn(context)
        return order if lead is None else sorted(order, key=lambda p: traits(p).costs != lead)

    def _ask(
        self, proposer: Proposer, context: Context, arms: Arms, failed: Mapping[tuple[str, str], str]
    ) -> Proposal | None:
        """The proposer's best offer that is worth a run; None if it has none."""
        offers: list[Proposal] = []
        model = traits(proposer).costs
        wanted = 1 if model or traits(proposer).weighs_values else OFFERS
        for _ in range(1 if model else MAX_LOOKED_AT):
            if model and context.ahead and not context.stale and _worth_waiting(proposer.name, context):
                raise VerdictAwaitedError(f"{proposer.name} is asked when the verdicts are known")
            proposal = self._next(proposer, context)
            if proposal is None:
                break
            objection = "" if proposal.refused else self._novelty.objection(context, proposal)
            if model:
                # It was paid for, so it is recorded, whatever it is.
                return replace(proposal, refused=proposal.refused or objection)
            known = failed.get((proposal.proposer, proposal.operator), "")
            self.notices.say(*filter(None, [known]))
            if not objection and not known:
                offers.append(proposal)
            if len(offers) == wanted:
                break
            # What waits is not proposed again: so the next one is another.
            context = replace(context, pending=(*context.pending, proposal))
        return max(offers, key=lambda p: arms.draw_parts(context.rng, p.proposer, p.parts), default=None)

    def _next(self, proposer: Proposer, context: Context) -> Proposal | None:
        try:
            return proposer.propose(context)
        except ProposerError as error:
            self._proposers.remove(proposer)
            self._left_out[proposer.name] = error
            self.notices.say(f"{proposer.name} is left out from now on: {error}")
            return None


def _has_the_turn(proposer: Proposer, context: Context) -> bool:
    """Whether it goes first: every other turn of a plateau is its rung's, and a kind that keeps winning is refined."""
    history = context.history
    step = rung(history, context.config.limits)
    if step is Rung.NONE and _on_a_run(context):
        return traits(proposer).rung is Rung.REFINE
    if (history.since_accepted + len(context.pending)) % 2:
        return False
    if step is Rung.NONE:
        leading = (context.config.search.models or 0.0) >= LEADING_SHARE
        return traits(proposer).leads_opening and not leading and _opens(history, proposer.name)
    return traits(proposer).costs if step is Rung.RADICAL else traits(proposer).rung is step


def _opens(history: History, leader: str) -> bool:
    """Whether `main` still stands about where it began, and who leads the opening has not failed too often."""
    bundles = [r for r in history if r.trial.proposer == leader]
    lost = len(bundles) - max((i for i, r in enumerate(bundles, 1) if r.won), default=0)
    return len(history.won) < OPENING_ACCEPTS and lost < OPENING_LOSSES


def _on_a_run(context: Context) -> bool:
    """Whether the latest change of `main` was one more of a kind that won several times."""
    line = on_main(context)
    several = winning_kinds(context.history, line)
    return bool(line) and context.history.since_accepted < 3 and bool(several & line[0].trial.parameters.keys())


def _has_to_mend(proposer: Proposer, context: Context) -> bool:
    """Whether a crash goes back to it, which is done at once: it is the nearest that a model comes to a second look."""
    return traits(proposer).costs and to_mend(list(context.history), context.pending, proposer.name) is not None


def _models_turn(context: Context) -> bool | None:
    """Whether models go first by their share of the trials; None if what proposals bring decides."""
    usages = [r.trial.usage for r in _latest(context.history)] + [p.usage for p in context.pending]
    paid, share = sum(usage is not None for usage in usages), context.config.search.models
    if share is not None:
        return paid < share * (len(usages) + 1)
    return False if paid + 1 > max(1.0, MAX_MODEL_SHARE * (len(usages) + 1)) else None


def _worth_waiting(name: str, context: Context) -> bool:
    """Whether a call takes so little of the time that it should know the verdicts of what is measured now."""
    records = list(reversed(list(context.history)))
    calls = [r.trial.usage.seconds for r in records if r.trial.proposer == name and r.trial.usage][:TIMED_CALLS]
    trials = [r.seconds for r in records if r.runs and not r.trial.is_baseline][:TIMED_CALLS]
    trials = trials or [run.seconds for r in records for run in r.runs][:1]
    if not calls or not trials:
        return context.config.search.wait > 0
    waiting_time = context.ahead * statistics.median(calls)
    return waiting_time <= context.config.search.wait * (waiting_time + statistics.median(trials))


def _latest(history: History) -> list[Record]:
    return [r for r in history if not r.trial.is_baseline][-MODEL_SHARE_TRIALS + 1 :]


# ---- when nothing wins any more


PLATEAU_TRIALS = 8
"""Trials without an improvement after which the next rung is taken, if no patience is configured."""


def rung(history: History, limits: Limits) -> Rung:
    """The rung that the lab is on, told from its records alone: a restart stays on it."""
    ladder = list(Rung)
    return ladder[min(history.since_accepted // _width(limits), len(ladder) - 1)]


def word(history: History, limits: Limits) -> str:
    """What to say of the plateau, the same sentence for as long as the rung lasts; empty if there is none."""
    step = rung(history, limits)
    if step is Rung.NONE:
        return ""
    best = history.best()
    since = f" since {best.trial.ref}" if best is not None else ""
    trials = list(Rung).index(step) * _width(limits)
    return f"plateau: {trials} trials{since} without an improvement; {step.sentence} from here on"


def _width(limits: Limits) -> int:
    """Trials per rung: all of them are climbed before the loop's patience ends."""
    return max(1, limits.patience // len(Rung)) if limits.patience else PLATEAU_TRIALS


# ---- git's answers


class Remembered:
    """The revisions of one lab, each question asked of git once. Logs are not kept: they are long and seldom read."""

    def __init__(self) -> None:
        self._revisions: Revisions
        self._diffs: dict[str, str] = {}
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._moved: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._onto = ""

    def of(self, revisions: Revisions) -> Revisions:
        """These revisions, with what was asked before."""
        self._revisions = revisions
        return self

    def diff(self, trial: str) -> str:
        if trial not in self._diffs:
            self._diffs[trial] = self._revisions.diff(trial)
        return self._diffs[trial]

    def curves(self, trial: str) -> tuple[Curve, ...]:
        if trial not in self._curves:
            self._curves[trial] = self._revisions.curves(trial)
        return self._curves[trial]

    def log(self, trial: str) -> str:
        return self._revisions.log(trial)

    def guide(self) -> str:
        return self._revisions.guide()

    def ideas(self) -> tuple[Idea, ...]:
        return self._revisions.ideas()

    def clone(self, commit: str) -> Path:
        return self._revisions.clone(commit)

    def read(self, commit: str, path: str) -> bytes | None:
        return self._revisions.read(commit, path)

    def transplant(self, trials: Sequence[str], onto: str) -> str | None:
        self._forget_other(onto)
        key = ("transplant", tuple(trials))
        if key not in self._moved:
            self._moved[key] = self._revisions.transplant(trials, onto)
        return self._moved[key]

    def revert(self, trial: str, onto: str) -> str | None:
        self._forget_other(onto)
        key = ("revert", (trial,))
        if key not in self._moved:
            self._moved[key] = self._revisions.revert(trial, onto)
        return self._moved[key]

    def _forget_other(self, onto: str) -> None:
        if onto != self._onto:
            self._onto, self._moved = onto, {}
