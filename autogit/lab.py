"""A lab: one workspace with everything that autogit knows of it. The face for Python.

from autogit import Lab

lab = Lab.open(".")
lab.loop(trials=20, hours=8)
print(lab.best())
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autogit.config import load as configfile
from autogit.config.load import ConfigFile
from autogit.config.model import FILENAME, Config
from autogit.errors import ConfigError, PatchError, WorkspaceError
from autogit.events import Ended, Observer, silent
from autogit.history import History, Pruning, Trend
from autogit.ledger import GitLedger
from autogit.records import Curve, Idea, Proposal, Record, RunStatus, Verdict

if TYPE_CHECKING:
    from autogit.evaluate.checks import AATest, Gain
    from autogit.evaluate.noise import Noise
    from autogit.evaluate.pruning import Ranking
    from autogit.patch import Policy
    from autogit.propose.beliefs import Belief
    from autogit.propose.models.answer import Answer
    from autogit.report.export import Done
    from autogit.report.facts import Facts
    from autogit.report.finalize import Finalized
    from autogit.trial.ablate import Ablation
    from autogit.trial.first_run import FirstRun
    from autogit.trial.reproduce import Consent, Reproduction, Verification
    from autogit.wiring import Wiring


class Lab:
    """Opens a workspace: what it knows is derived from git, a loop is wired when it is asked for."""

    def __init__(self, file: ConfigFile) -> None:
        self.file = file
        self.ledger = GitLedger(file, lambda path: self._policy.allows(path))

    @classmethod
    def open(cls, folder: str | Path = ".") -> Lab:
        """The lab whose `.autoresearch.toml` is in `folder` or in the nearest folder above it.

        Raises ConfigError or WorkspaceError with what to do.
        """
        return cls(configfile.find(Path(folder)))

    # ---- what it knows

    @property
    def config(self) -> Config:
        """The configuration as frozen dataclasses."""
        return self.file.config

    @cached_property
    def history(self) -> History:
        """Every closed trial, oldest first, with what follows from them."""
        return History(self.config.metric, self.ledger.records(), self.ledger.line, self.config.terms)

    def trials(self) -> list[Record]:
        """Every closed trial, oldest first."""
        return list(self.history)

    def trial(self, number: int | str) -> Record:
        """One closed trial by its number. Raises UnknownTrialError."""
        return self.history[str(number).removeprefix("exp/")]

    def best(self) -> Record | None:
        """The incumbent: the last accepted trial. None before the first loop."""
        return self.history.best()

    def top(self, count: int = 5) -> list[Record]:
        """The trials with the best primary metric, best first."""
        return self.history.top(count)

    def noise(self) -> Noise | None:
        """How much the primary metric moves by luck between two runs; None where nothing was repeated."""
        from autogit.evaluate.noise import noise

        name = self.config.metric.name
        return noise(self.history.compared(), lambda metrics: metrics.get(name))

    def trends(self) -> list[Trend]:
        """How each kind of move has done."""
        return self.history.trends()

    def beliefs(self) -> list[Belief]:
        """What the portfolio believes of each proposer and kind of move that was tried, the most promising first."""
        from autogit.propose.beliefs import beliefs

        return beliefs(self.history)

    def importance(self) -> Mapping[str, float]:
        """Each parameter's share in what made trials good (they sum to 1); empty until there are enough to tell."""
        from autogit.propose.search.hyperparameters import parameter_importance

        return parameter_importance(self._wiring().context()) if self.trials() else {}

    def pruning(self) -> Pruning:
        """How many runs were stopped early, and what the ones that were let finish tell of that."""
        return self.history.pruning()

    def ranking(self) -> Ranking | None:
        """How far the loss that runs report ranks trials as the metric does; None if the metric itself is reported."""
        from autogit.evaluate.pruning import PrunerMaker

        return PrunerMaker(self.config, self.ledger, self.history).ranking()

    def fooled(self) -> tuple[AATest, AATest]:
        """How often the rule took luck for progress: on two halves of each incumbent's own runs, on null trials."""
        from autogit.evaluate.checks import aa_test, null_trials

        return aa_test(self.config, self.history), null_trials(self.history)

    def improvement(self, record: Record) -> float | None:
        """Over the first baseline, in percent; negative where worse."""
        return self.history.improvement(record)

    def total_gain(self) -> Gain | None:
        """What all accepted changes gained together, with its 95% interval, in the unit of what is compared.

        By seeds that took no part in choosing them; None where nothing was accepted on such seeds.
        """
        from autogit.evaluate.checks import total_gain

        return total_gain(self.history.compared())

    def diff(self, number: int | str) -> str:
        """The change of a trial against its base."""
        return self.ledger.diff(self.trial(number).id)

    def log(self, number: int | str) -> str:
        """What the runs of a trial printed (bounded)."""
        return self.ledger.log(self.trial(number).id)

    def curves(self, number: int | str) -> tuple[Curve, ...]:
        """The learning curves of a trial's runs."""
        return self.ledger.curves(self.trial(number).id)

    def briefing(self, tokens: int = 60_000, tool: bool = False) -> str:
        """All that a model would be told for the next proposal, in at most about `tokens` tokens.

        `tool`: it hands the change in by calling the tool `try` of `autogit mcp`, not as a text.
        """
        from autogit.propose.lineage import waiting
        from autogit.propose.models.prompt import brief, model_prompt
        from autogit.propose.models.templates import rendered
        from autogit.propose.search.hyperparameters import parameter_importance

        context = self._wiring().context()
        ideas = waiting(self.ledger.ideas(), self.history)
        ask = rendered("tool.md.j2") if tool else ""
        return model_prompt(brief(context, ideas, parameter_importance(context)), tokens, ask=ask)

    def ideas(self) -> tuple[Idea, ...]:
        """The queued ideas that nobody has followed yet, oldest first."""
        from autogit.propose.lineage import waiting

        return waiting(self.ledger.ideas(), self.history)

    # ---- what it does

    def loop(
        self,
        trials: int | None = None,
        hours: float | None = None,
        target: float | None = None,
        patience: int | None = None,
        jobs: int | None = None,
        seed: int = 0,
        observer: Observer = silent,
        cost: float | None = None,
        null_rate: float = 0.0,
        only: Literal["", "llm", "agent"] = "",
    ) -> Ended:
        """Does research until a limit is reached; what is not given here comes from `[limits]`.

        `only` ("llm" or "agent"): nobody else proposes. Raises ConfigError if the configuration names none.

        `null_rate` is the share of trials that change nothing and are never merged: how often is the rule fooled?
        In the main thread Ctrl-C ends it after the current trial, a second one now. Raises LabBusyError where another
        loop runs on this lab, BaselineError where the unchanged code does not train.
        """
        config = self.config
        if target is not None:
            config = replace(config, metric=replace(config.metric, target=target))
        search = replace(config.search, only=only) if only else config.search
        if (search.only == "llm" and not config.llm) or (search.only == "agent" and not config.agent.command):
            raise ConfigError(f"only [{search.only}] is to propose, and {FILENAME} has no such section: add it there")
        limits = replace(
            config.limits,
            trials=trials or config.limits.trials,
            hours=hours or config.limits.hours,
            patience=patience or config.limits.patience,
            cost=config.limits.cost if cost is None else cost,
        )
        with self._working():
            config = replace(config, limits=limits, search=search)
            return self._wiring().loop(config, observer, jobs, seed, null_rate).run()

    def attempt(
        self,
        answer: str | Answer,
        title: str = "",
        observer: Observer = silent,
        proposer: str = "person",
        idea: str = "",
        untitled: str = "An untitled change",
        cancel: threading.Event | None = None,
    ) -> Record:
        """One trial of a change from outside (`autogit try`): a diff, a model's whole answer, or the parts of one.

        What the answer says of title, kind, hypothesis and expectation is kept; `title` goes before its own, `untitled`
        is used if there is none. `idea` is the id of the queued idea that it follows. A trial of the same change that
        was left open goes on under its number. `cancel` gives the trial up once it is set (Interrupted); it stays open.
        Raises PatchError, using no number, if the change does not land, holds two alternatives, or repeats a trial of
        the same code.
        """
        from autogit.propose.models.answer import read
        from autogit.propose.models.repeats import Repeats
        from autogit.trial.queue import experiment

        said = read(answer) if isinstance(answer, str) else answer
        # A person's own diff has no form, and is taken as it is: it may be a null check.
        formed = bool(said.title or said.hypothesis)
        if formed and said.alternative:
            raise PatchError(f"the answer holds more than one proposal ({said.alternative!r}): give one of them alone")
        base, text = self.ledger.tip(), answer if isinstance(answer, str) and not formed else said.change
        diff = experiment(text, base, self._wiring().land) if formed else self._wiring().land(text, base).diff
        if formed and not diff:
            raise PatchError("the diff changes nothing: there is nothing to measure")
        self._refuse_repeat(diff, base)
        proposal = Proposal(
            base=base, diff=diff, title=title or said.title or untitled, proposer=proposer,
            operator=said.kind if formed else "try", expected=said.expected, idea=idea,
            rationale=Repeats().with_elsewhere(said.hypothesis, diff, self._wiring().context()),
        )  # fmt: skip
        with self._working():
            loop = self._wiring().loop(self.config, observer, 1, 0, cancel=cancel)
            loop.measure_main()
            return loop.step(given=proposal)

    def _refuse_repeat(self, diff: str, base: str) -> None:
        """Raises PatchError if a trial of the same code was this change, and came to a verdict on what it does."""
        from autogit.propose.models.repeats import digest

        wanted = digest(diff)
        for record in self.history.on(base):
            ran = record.verdict not in (Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.INVALID)
            if ran and wanted and digest(self.diff(record.id)) == wanted:
                raise PatchError(
                    f"the same change of the same code is {record.trial.ref} ({record.verdict}): propose another one; "
                    f"what came of it: autogit show {record.id}"
                )

    def stop(self, now: bool = False) -> int:
        """Asks the loop that runs on this lab to end after the current trial; returns its process.

        `now`: it gives the trial up, which runs again under its number next time. Raises WorkspaceError if no loop
        runs here, or if it does not answer.
        """
        from autogit.trial.live import end

        return end(self.ledger.running, self.ledger.private, now)

    def undo(self, number: int | str, observer: Observer = silent) -> Record:
        """Takes an accepted change back: its revert lands on `main` as a trial of its own, whatever it measures.

        Raises WorkspaceError where the trial is not an accepted change or later ones build on the same lines.
        """
        record, base = self.trial(number), self.ledger.main()
        if not record.accepted or record.trial.is_baseline:
            raise WorkspaceError(f"{record.trial.ref} is no accepted change: there is nothing on main to take back")
        diff = self.ledger.revert(record.id, base)
        if not diff:
            why = "later changes touch the same lines" if diff is None else "main does not hold it any more"
            raise WorkspaceError(f"{record.trial.ref} cannot be taken back: {why}")
        proposal = Proposal(
            base=base, diff=diff, title=f"Undo {record.trial.ref}: {record.trial.title}", proposer="person",
            operator="undo", parents=(record.id,),
        )  # fmt: skip
        with self._working():
            loop = self._wiring().loop(self.config, observer, 1, 0)
            loop.measure_main()
            return loop.step(given=proposal)

    def ablate(self, observer: Observer = silent) -> Iterator[Ablation]:
        """Takes each accepted change back on today's `main`, the oldest first, as a trial that is judged like others.

        Of a bundle that matters, each part, too. Gives each as it is done. Raises LabBusyError where a loop runs.
        """
        from autogit.propose.lineage import on_main
        from autogit.propose.operators.ablate import AblateProposer, ablated_part, ablation
        from autogit.propose.operators.bundle import parts
        from autogit.trial.ablate import ablate

        with self._working():
            wiring = self._wiring()
            loop = wiring.loop(self.config, observer, 1, 0)
            loop.measure_main()
            line = on_main(wiring.context())
            reversals = [r for r in line if r.trial.proposer == AblateProposer.name or r.trial.operator == "undo"]
            gone = {parent for reversal in reversals for parent in (reversal.id, *reversal.trial.parents)}

            def reversal(change: Record, part: str) -> Proposal | None:
                context = wiring.context()
                return ablated_part(context, change, part) if part else ablation(context, change)

            changes = [change for change in reversed(line) if change.id not in gone]
            yield from ablate(changes, reversal, parts, lambda proposal: loop.step(given=proposal))

    def reproduce(
        self,
        number: int | str,
        seeds: Sequence[int] | None = None,
        observer: Observer = silent,
        consent: Consent | None = None,
    ) -> Reproduction:
        """Runs a closed trial again from its tag, by the configuration of its time, and compares with its record.

        `seeds`: which of its runs, else the first. Kept output stays as it is. Raises UnknownTrialError, WorkspaceError
        where there is no such run, LabBusyError where a loop runs. `consent` is asked before commands are run that only
        a sync has brought here; without it they are not run (WorkspaceError).
        """
        from autogit.trial.reproduce import refuse

        with self._working():
            return self._wiring().reproducer(observer, consent or refuse).reproduce(self.trial(number), seeds)

    def verify(
        self, everything: bool = False, observer: Observer = silent, consent: Consent | None = None
    ) -> Iterator[Verification]:
        """Reproduces the accepted trials (or all that have run), measures them with fresh seeds, notes what it found.

        Gives each as it is done. `consent` as in `reproduce`. Raises LabBusyError where a loop runs.
        """
        from autogit.trial.reproduce import refuse

        with self._working():
            reproducer = self._wiring().reproducer(observer, consent or refuse)
            for record in self.trials():
                if (everything or record.accepted) and any(r.status is not RunStatus.PRUNED for r in record.runs):
                    found = reproducer.verify(record)
                    when = datetime.now(UTC).isoformat(timespec="seconds")
                    self.history.add(self.ledger.note_check(record.id, found.check(when)))
                    yield found

    def first_runs(self) -> Generator[FirstRun]:
        """Starts the unchanged training command for a few seconds, in the place where trials run, with seed after seed.

        Nothing is recorded. Raises LabBusyError if a loop runs, ConfigError or WorkspaceError if it cannot be started.
        """
        with self._working():
            yield from self._wiring().first_runs()

    def preview(self, count: int = 5, seed: int = 0) -> list[Proposal]:
        """What a loop with this seed would try next; nothing is run. A language model among the proposers is asked."""
        return self._wiring().loop(self.config, silent, 1, seed).preview(count)

    def reset(self) -> str:
        """Puts everything that was learned away under a number, which is returned, and starts afresh. `main` stays."""
        with self._working():
            number = self.ledger.put_away()
            self._forget()
            return number

    def reset_back(self, number: int | str | None = None) -> str:
        """Returns to what was put away (under `number`, or last); what is there now is put away instead."""
        with self._working():
            found = self.ledger.bring_back(None if number is None else str(number))
            self._forget()
            return found

    def report(self, file: Path | None = None, form: str = "html") -> Path:
        """Writes the lab's report to `file` or to the lab's private folder; where it is.

        `form` is "html" (one page that needs nothing else), "svg", "png", "markdown" or "notebook". Raises
        WorkspaceError if it cannot be written.
        """
        from autogit.report.forms import FORMS

        made = FORMS[form].make(self.facts())
        path = file or self.ledger.private / f"report{FORMS[form].suffix}"
        try:
            path.write_bytes(made if isinstance(made, bytes) else made.encode())
        except OSError as error:
            raise WorkspaceError(f"cannot write the report to {path}: {error.strerror}; name another FILE") from None
        return path

    def look_again(self) -> None:
        """Lets go of what is known of the trials: another process may have added some."""
        self._forget()

    def facts(self, brief: bool = False) -> Facts:
        """Everything that a report is made of; `brief`: what its headline and its progress chart need, which is quick.

        A brief one has no importances, no diffs, and the curves of stopped trials and of what they met alone.
        """
        from autogit.history import spending
        from autogit.report.facts import Audited, Facts
        from autogit.trial.audit import audit, describe

        measured, spent, best, baseline = self.noise(), spending(self.trials()), self.best(), self.history.baseline
        audited = None if best is None else audit(best)
        first = None if baseline is None else audit(baseline)
        before = None if first is None else first.value
        checks = dict(zip(("A/A test", "null trials"), self.fooled(), strict=True))
        return Facts(
            lab=self.ledger.root.name,
            folder=str(self.ledger.root),
            made=datetime.now(UTC).isoformat(sep=" ", timespec="minutes"),
            config=self.config,
            history=self.history,
            gain=self.total_gain(),
            noise=None if measured is None else measured.sd,
            audited=Audited(before, audited.value) if audited and audited.value is not None else None,
            audit=describe(best, self.history) if best is not None else "",
            importance={} if brief else self.importance(),
            diffs={} if brief else {record.id: self.diff(record.id) for record in self.history.accepted},
            curves={record.id: self.curves(record.id) for record in self._drawn(brief)},
            luck=[f"{name}: {found}" for name, found in checks.items() if found.trials],
            spent="" if spent is None else f"Models and agents made {spent.proposals} proposals",
            cost=None if spent is None else spent.usage.cost,
        )

    def finalize(self, branch: str = "", since: int = 0, squash: bool = False) -> Finalized:
        """Writes the changes that were accepted after trial `since` as a clean branch, with a description in markdown.

        Without a name the branch is `findings/exp-N`, of its last change. Raises WorkspaceError if there are none.
        """
        from autogit.report.finalize import Finalized, description, message

        line = set(self.ledger.line())
        chosen = [r for r in self.history.accepted if r.trial.number > since and r.trial.commit in line]
        if not chosen:
            raise WorkspaceError(f"no change was accepted after exp/{since}: there is nothing to hand over")
        facts, name = self.facts(), branch or f"findings/exp-{chosen[-1].id.replace('/', '-')}"
        messages = {record.trial.commit: message(facts, record) for record in chosen}
        tip = self.ledger.finalize(name, messages, "accepted changes" if squash else None)
        return Finalized(name, tip, tuple(record.id for record in chosen), *description(facts, chosen))

    def export(self, name: str, target: str | None = None) -> Done:
        """Takes the trials that are not there yet into another tool, by the exporter of this name.

        `target` is a file, a folder or a tracking URI; without it the lab's private folder. Raises AutogitError if
        there is no such exporter, its package is missing, or it does not take them.
        """
        from autogit.report.export import Done, exporter, target_of

        kind = exporter(name)
        place = target or target_of(kind, self.ledger.private)
        added = kind(place).export(self._wiring().exported(record) for record in self.history)
        return Done(added, place, kind.hint.replace("{target}", place))

    def _repr_html_(self) -> str:
        """How a lab looks in a notebook: its headline and its progress."""
        from autogit.report.page import card

        return card(self.facts())

    def add_idea(self, text: str) -> Idea:
        """Queues a direction for the next proposal of a model or an agent."""
        return self.ledger.add_idea(text)

    # ---- private

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Holds the lab, and knows what another process has added since it was opened."""
        with self.ledger.lock():
            self._forget()
            yield

    def _drawn(self, brief: bool) -> list[Record]:
        """The trials whose curves a report needs."""
        if not brief:
            return [record for record in self.history if record.runs]
        ended = (RunStatus.PRUNED, RunStatus.UNSTABLE)
        stopped = [record for record in self.history if any(run.status in ended for run in record.runs)]
        bases = (self.history.at(record.trial.base) for record in stopped)
        return list({record.id: record for record in [*stopped, *bases] if record is not None}.values())

    def _forget(self) -> None:
        self.__dict__.pop("history", None)

    def _wiring(self) -> Wiring:
        from autogit.wiring import Wiring

        return Wiring(self.file, self.ledger, self.history, self._policy)

    @cached_property
    def _policy(self) -> Policy:
        from autogit.patch import Policy

        return Policy.of(self.config.train, self.ledger.prefix)
