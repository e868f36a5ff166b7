"""Where proposals come from: the next one is made, landed and written while the present trial trains.

It is made from what was known when that trial began: the trials closed by then, and the open ones as pending. Whether
it was ready in time or had to be waited for changes nothing about it, so that the same lab proposes the same again.
Where `main` has moved meanwhile it is thrown away and made anew from all that is known by then; one that was paid for
is put onto the new `main` instead, and one that no trial took up is kept in git for the next loop.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np

from autogit.config.model import Config
from autogit.errors import Interrupted
from autogit.history import History
from autogit.protocols import Context, Ledger, Proposer
from autogit.records import NULL, Proposal, Record, Trial, Verdict
from autogit.trial.landing import Land, Ready, experiment, moved, ready_to_open

RETRY = "retry"
"""Operator of a superseded trial that is tried again on the new `main`."""
_TICK = 0.1
"""Seconds after which a slot that waits for a proposal notices that the person stopped the loop."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a proposal is made from."""

    base: str
    history: History
    pending: tuple[Proposal, ...]
    died: tuple[Proposal, ...]


class NothingToPropose(Exception):
    """The proposers have tried everything on this base."""


def nothing_left(config: Config) -> str:
    """The sentence for a lab that has tried everything, with what would help by this configuration."""
    space = config.space
    named = ", ".join(list(space.parameters)[:4]) + (", ..." if len(space.parameters) > 4 else "")
    helps = [f"more parameters or wider ranges in [space] (it has {named or 'none'})"]
    helps += [] if space.discovers else ["discover = true in [space], which searches constants that nobody declared"]
    helps += [] if config.catalogue else ["catalogue = true"]
    helps += ["a [[pattern]] of your own"]
    helps += [] if config.llm or config.agent.command else ["a model in [llm] or a coding agent in [agent]"]
    return f"nothing is left to propose on this main. What would help: {'; '.join(helps)}"


class Proposals:
    """One at a time, for however many slots; each knows of those that run or wait to."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        proposer: Proposer,
        history: History,
        land: Land,
        seed: int,
        turn: threading.RLock,
        hurry: threading.Event,
        null_rate: float = 0.0,
    ) -> None:
        """`hurry`: the loop is to end, so no slot waits for a proposal any more. `null_rate`: see `Loop`."""
        self._config = config
        self._ledger = ledger
        self._proposer = proposer
        self._history = history
        self._land = land
        self._seed = seed
        self._turn = turn
        self._change = threading.Condition(turn)
        self._hurry = hurry
        self._null_rate = null_rate
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="proposals")
        self._ahead: deque[tuple[_Known, Future[Ready | None]]] = deque()
        self._waiting: list[Proposal] = []
        self._running: dict[str, Proposal] = {}
        self._died: tuple[Proposal, ...] = ()
        taken_up = {trial.usage for trial in (*ledger.unfinished(), *(record.trial for record in history))}
        # Where models are left out, what they made waits.
        kept = ledger.kept() if config.llm or config.agent.command else ()
        self._kept = [proposal for proposal in kept if proposal.usage not in taken_up]

    def prepare(self) -> None:
        """Begins with one more proposal, from what is known now. The slot that is free first takes it."""
        with self._turn:
            known = self._known()
            self._ahead.append((known, self._worker.submit(self._prepared, known)))

    @property
    def ahead(self) -> int:
        """How many proposals are made, or being made, for trials to come."""
        return len(self._ahead)

    def next(self) -> Ready:
        """The next proposal, on the present `main`. Raises NothingToPropose, and Interrupted where the loop ends."""
        while True:
            retry = self._retry()
            if retry is not None:
                return retry
            with self._turn:
                if not self._ahead:
                    self.prepare()
                known, ahead = self._ahead.popleft()
            while not wait([ahead], _TICK).done:
                self._go_on()
            ready, main = ahead.result(), self._ledger.main()
            if ready is None:
                self._await_change(known)
            elif ready.proposal.base == main:
                return ready
            else:
                self._waiting.remove(ready.proposal)
                if ready.proposal.usage is not None:
                    self._kept.insert(0, ready.proposal)

    def land(self, proposal: Proposal) -> Ready:
        """A proposal with what it lands as, waiting to be opened."""
        ready = ready_to_open(proposal, self._land)
        self._waiting.append(ready.proposal)
        return ready

    def opened(self, proposal: Proposal, trial: Trial) -> None:
        """The proposal has become a trial, which is in work now."""
        with self._turn:
            self._waiting.remove(proposal)
            self._running[trial.id] = proposal

    def reopened(self, trial: Trial) -> None:
        """A trial that an earlier loop left open is in work again."""
        diff = self._ledger.diff(trial.id)
        proposal = Proposal(
            trial.base, diff, trial.title, trial.proposer, trial.operator, parameters=trial.parameters,
            parents=trial.parents, idea=trial.idea,
        )  # fmt: skip
        with self._turn:
            self._running[trial.id] = proposal

    def closed(self, trial: Trial) -> None:
        """The trial is no longer in work."""
        with self._change:
            self._running.pop(trial.id, None)
            self._change.notify_all()

    def died(self, trial: Trial, reason: str) -> None:
        """The trial died in its first step and was taken back: its change is not made again."""
        with self._change:
            self._died = (*self._died, replace(self._running.pop(trial.id), refused=reason))
            self._change.notify_all()

    def preview(self, count: int) -> list[Proposal]:
        """What would be proposed next, one after the other, without opening anything."""
        while len(self._waiting) < count:
            retry = self._retry()
            if retry is None:
                proposal = self._make(self._known())
                if proposal is None:
                    break
                self._waiting.append(proposal)
        proposals, self._waiting = self._waiting, []
        return proposals

    def end(self) -> None:
        """Nobody takes another one; a model that is still waited for is given up by the loop's `cancel`."""
        self._worker.shutdown(cancel_futures=True)

    # ---- waiting for one

    def _go_on(self) -> None:
        if self._hurry.is_set():
            raise Interrupted("stopped before the next trial began")

    def _await_change(self, known: _Known) -> None:
        """Until more is known than that: what other slots are at may bring another main, or a change to try again."""
        with self._change:
            same = (known.base, len(known.history), known.died)
            while not self._ahead and same == (self._ledger.main(), len(self._history), self._died):
                if not self._pending:
                    raise NothingToPropose(nothing_left(self._config))
                self._change.wait(_TICK)
                self._go_on()

    # ---- making one

    def _known(self) -> _Known:
        with self._turn:
            return _Known(self._ledger.main(), self._history.snapshot(), self._pending, self._died)

    @property
    def _pending(self) -> tuple[Proposal, ...]:
        return (*self._running.values(), *self._waiting)

    def _prepared(self, known: _Known) -> Ready | None:
        proposal = self._make(known)
        if proposal is None:
            return None
        ready = self.land(proposal)
        self._ledger.stage(ready.proposal.base, ready.landed.changes)
        return ready

    def _make(self, known: _Known) -> Proposal | None:
        if self._kept:
            return moved(self._kept.pop(0), known.base, self._land)
        with self._turn:
            # What other slots have begun since then, besides.
            pending = (*known.pending, *(p for p in self._pending if p not in known.pending))
            files = self._ledger.files(known.base)
        # The baseline is always trial 0: a preview before it shows what comes after it.
        number = max(1, len(known.history)) + len(pending) + len(known.died)
        if np.random.default_rng([self._seed, number, 1]).random() < self._null_rate:
            words = "changes nothing, to see how often the rule is fooled; never merged"
            return Proposal(known.base, "", "A change that does nothing", NULL, NULL, words)
        proposal = self._proposer.propose(
            Context(
                base=known.base,
                files=files,
                history=known.history.without_nulls(),
                pending=tuple(p for p in pending if p.proposer != NULL),
                rng=np.random.default_rng([self._seed, number]),
                config=self._config,
                revisions=self._ledger,
                check=lambda text: experiment(text, known.base, self._land),
                died=known.died,
            )
        )
        if proposal is not None and proposal.usage is not None:
            self._ledger.keep(proposal)
        return proposal

    def _retry(self) -> Ready | None:
        """A superseded trial that has not been tried on a newer `main` yet."""
        with self._turn:
            retries = [r.trial.parents for r in self._history if r.trial.operator == RETRY]
            retries += [p.parents for p in self._pending if p.operator == RETRY]
            retried = {parent for parents in retries for parent in parents}
            due = (r for r in self._history if r.verdict is Verdict.SUPERSEDED and r.id not in retried)
            record = next(due, None)
            return None if record is None else self.land(self._again(record))

    def _again(self, record: Record) -> Proposal:
        trial, main = record.trial, self._ledger.main()
        diff = self._ledger.transplant([trial.id], main)
        return Proposal(
            base=main,
            diff=diff or self._ledger.diff(trial.id),
            title=trial.title,
            rationale=trial.rationale,
            proposer=trial.proposer,
            operator=RETRY,
            parameters=trial.parameters,
            parents=(trial.id,),
            refused="" if diff else f"conflicts with the new main: {trial.ref} no longer applies",
        )
