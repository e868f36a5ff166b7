"""The judge of a trial: makes the runs that the evaluator asks for, until it has seen enough."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from autogit.errors import CheckoutError
from autogit.events import Ran
from autogit.protocols import Evaluator, Judgement, KeptRun, More, PrunerFactory
from autogit.records import CONFIG, SPARED, Record, Run, Scalar, Trial, Verdict
from autogit.trial.measure import Measured, Measurement, Prune
from autogit.trial.queue import OpenTrial
from autogit.trial.session import Session

DECIDED = ("undo",)
"""Operators of changes that are not up for judgement: the person has decided; they are only measured."""

START_SECONDS = 2.0
"""Seconds by which short runs differ on a busy machine before they train at all: an interpreter's start."""
MAX_TIMES_BASELINE = 2.0
"""How many times as long as the baseline a run may take if there is no budget and no step is reported, beyond
`START_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a race of the provisional line against `main` has shown."""

    line: tuple[Record, ...]
    """The kept trials that it was about, oldest first; the last one raced."""
    against: Record
    judgement: Judgement


class Judge:
    """Runs candidates and incumbents, and tells the verdict."""

    def __init__(
        self,
        session: Session,
        evaluator: Evaluator,
        measurement: Measurement,
        pruner: PrunerFactory,
    ) -> None:
        self._session = session
        self._evaluator = evaluator
        self._pruner = pruner
        self.measurement = measurement
        self._filling: dict[tuple[str, int], threading.Lock] = {}

    def decide(self, opened: OpenTrial, slot: int) -> More | Judgement:
        """Returns the verdict on the runs so far, or which runs to make first."""
        if opened.refused:
            return Judgement(Verdict.INVALID, opened.refused)
        if failed := self._check(opened, slot):
            return Judgement(Verdict.INVALID, failed)
        with self._session.lock:
            incumbent, history = self._incumbent(opened.trial), self._session.history
            decision = self._evaluator.decide(opened.runs, incumbent, history, opened.lines)
        return self._final(decision, opened, slot) if isinstance(decision, Judgement) else decision

    def resume(self, opened: OpenTrial) -> None:
        """Takes up the runs that an earlier loop, or another clone, has finished of the same commit in the same way."""
        if opened.runs or opened.refused:
            return
        now = self._environment()
        with self._session.lock:
            kept = self._session.ledger.kept_runs(opened.trial)
        for one in kept:
            if one.run.status.counts and all(one.environment.get(name, value) == value for name, value in now.items()):
                opened.add(Measured(one.run, one.curve, one.log, one.reproduce, one.spared))
        opened.kept = len(opened.runs)

    def _environment(self) -> dict[str, Scalar]:
        return {**self.measurement.environment, CONFIG: self._session.config_hash}

    def _keep(self, opened: OpenTrial) -> None:
        """Puts the finished runs of an open trial into git before the next one is begun."""
        new = [
            KeptRun(run, opened.curve(run.seed), log, opened.reproduce, opened.spared, self._environment())
            for run, log in list(zip(opened.runs, opened.logs, strict=True))[opened.kept :]
        ]
        if new:
            with self._session.lock:
                self._session.ledger.keep_runs(opened.trial, new)
            opened.kept = len(opened.runs)

    def train_and_evaluate(self, opened: OpenTrial, more: More, slot: int) -> None:
        """Makes the runs that are asked for: the incumbent's that are missing, then the candidate's."""
        self._keep(opened)
        incumbent = self._incumbent(opened.trial)
        opened.asked = len(opened.runs) + len(more.candidate)
        for seed in more.incumbent:
            assert incumbent is not None
            self.fill_missing_run(incumbent, seed, slot)
        for seed in more.candidate:
            prune = self._prune(opened, seed, incumbent)
            self._keep(opened)
            try:
                opened.add(self.run(opened.trial, seed, slot, prune, opened.runs))
            except CheckoutError as error:
                opened.refused = str(error)
                return
            self._session.observer(Ran(opened.trial, slot, opened.runs[-1]))
            if not opened.runs[-1].status.counts:
                return

    def run(
        self, trial: Trial, seed: int, slot: int, prune: Prune | None = None, before: Sequence[Run] = ()
    ) -> Measured:
        """Makes one run, with what bounds it. `before`: the runs that the trial has had."""
        baseline = self._baseline_runs()
        first = (baseline or before)[:1]
        until = first[0].step if first else None
        return self.measurement.run(trial, seed, slot, self.measurement.timeout(baseline), prune, until)

    def fill_missing_run(self, closed: Record, seed: int, slot: int) -> None:
        """Makes a run of a closed trial that is missing, once, whichever slot asks first."""
        session = self._session
        with session.lock:
            lock = self._filling.setdefault((closed.id, seed), threading.Lock())
        with lock:
            if session.history[closed.id].run(seed) is not None:
                return
            measured = self.run(closed.trial, seed, slot)
            session.observer(Ran(closed.trial, slot, measured.run))
            with session.lock:
                curves = [measured.curve] if measured.curve else []
                session.history.add(session.ledger.extend(closed.id, [measured.run], curves))

    def prove(self, slot: int, ending: bool) -> Proof | None:
        """Has the provisional line race against `main` if a proof is due; what is under way goes on after a kill."""
        while True:
            with self._session.lock:
                line, history = self._session.line(), self._session.history
                due = self._evaluator.prove(line, history, ending) if line else None
                against = history.at(line[0].trial.base) if line else None
            if due is None or against is None:
                return None
            tip, decision = due
            if isinstance(decision, Judgement):
                return Proof(tuple(line[: line.index(tip) + 1]), against, decision)
            self._fill(tip, against, decision, slot)

    def total(self, slot: int) -> tuple[Record, Judgement] | None:
        """Measures what `main` gained over the first baseline, if the rule wants that and nobody has."""
        while True:
            with self._session.lock:
                main, history = self._session.main(), self._session.history
                baseline = history.baseline
                wanted = None if main is None else self._evaluator.total(main, history)
            if main is None or baseline is None or wanted is None:
                return None
            if isinstance(wanted, Judgement):
                return main, wanted
            self._fill(main, baseline, wanted, slot)

    def _fill(self, candidate: Record, incumbent: Record, more: More, slot: int) -> None:
        for seed in more.candidate:
            self.fill_missing_run(candidate, seed, slot)
        for seed in more.incumbent:
            self.fill_missing_run(incumbent, seed, slot)

    def _check(self, opened: OpenTrial, slot: int) -> str:
        """Returns why the trial does not pass the gate before training; empty if it does."""
        if opened.checked or opened.trial.operator in DECIDED:
            return ""
        opened.checked = True
        done = self.measurement.check(opened.trial, slot)
        if done is None or done.succeeded:
            return ""
        opened.logs.append(f"== check\n{done.log.rstrip()}\n")
        return f"the check failed: {done.reason}"

    def _incumbent(self, trial: Trial) -> Record | None:
        return None if trial.is_baseline else self._session.history.at(trial.base)

    def _baseline_runs(self) -> Sequence[Run]:
        baseline = self._session.history.baseline
        return baseline.runs if baseline else ()

    def _prune(self, opened: OpenTrial, seed: int, incumbent: Record | None) -> Prune | None:
        # The first run only: who is still in the race after it has to be measured, and not by half a run.
        if opened.runs or incumbent is None or opened.trial.operator in DECIDED:
            return None
        with self._session.lock:
            return partial(self._pruner, opened.trial, seed, self._session.history[incumbent.id])

    def _longer_than_baseline(self, runs: Sequence[Run]) -> str:
        """Returns why runs are longer than the baseline's, if no budget is configured: training longer is no idea.

        By steps if they are reported, else by time. Empty if they are not, or if there is a budget.
        """
        budget, baseline = self._session.config.budget, self._baseline_runs()
        if budget.steps or budget.flops or self.measurement.seconds or not baseline:
            return ""
        steps = [run.step for run in baseline if run.step]
        longest = max((run.step or 0 for run in runs), default=0)
        if steps and longest > max(steps):
            return f"{longest} steps, and without a [budget] the baseline's {max(steps)} hold"
        seconds, most = max(run.seconds for run in runs), max(run.seconds for run in baseline)
        if not steps and seconds > MAX_TIMES_BASELINE * most + START_SECONDS:
            return f"{seconds:.3g} s, and without a [budget] about the baseline's {most:.3g} s hold"
        return ""

    def _final(self, judgement: Judgement, opened: OpenTrial, slot: int) -> Judgement:
        trial = opened.trial
        if opened.spared:
            judgement = replace(judgement, statistics={**judgement.statistics, SPARED: 1.0})
        chosen = judgement.verdict in (Verdict.ACCEPTED, Verdict.KEPT)
        if trial.is_null and chosen:
            reason = f"nothing was changed, and the rule was fooled: {judgement.reason}"
            statistics = {**judgement.statistics, "fooled": 1.0}
            return replace(judgement, verdict=Verdict.REJECTED, reason=reason, statistics=statistics)
        if trial.operator in DECIDED and judgement.verdict in (Verdict.REJECTED, Verdict.KEPT):
            reason = f"taken back, whatever it measures: {judgement.reason}"
            return replace(judgement, verdict=Verdict.ACCEPTED, reason=reason)
        if chosen and not trial.is_baseline and trial.operator not in DECIDED:
            timeout = self.measurement.timeout(self._baseline_runs())
            overspent = self._longer_than_baseline(opened.runs) or self.measurement.overspent(
                trial, opened.runs[0].seed, slot, timeout
            )
            if overspent:
                return replace(judgement, verdict=Verdict.REJECTED, reason=f"{overspent} ({judgement.reason})")
        return judgement
