"""What a loop looks like: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from autogit.cli.common import metric_name, pulse, shortened, spent, width, wrapped
from autogit.events import Closed, Ended, Event, Notice, Observer, Opened, Progress, Proof, Ran, Started, Stopping
from autogit.records import Record, Verdict
from autogit.trial.audit import describe
from autogit.trial.measure import RUNS_PER_TRIAL
from autogit.wording import counted, duration, number, percent, plain

if TYPE_CHECKING:
    from autogit.lab import Lab

STYLES = {Verdict.ACCEPTED: "bold green", Verdict.KEPT: "green", Verdict.REJECTED: "dim"}
BAR = 20
TITLE = 52
"""Columns that a title has on a wide terminal; on a narrow one it is the first to give way."""
LEAST_TITLE = 16
WITH_BAR = 110
"""Columns from which on a bar shows what the numbers say."""
WIDEST = 1000
"""A terminal is not wider: more is a pipe, where nothing is cut."""
TELLING = 5
"""After so many trials their own time is the better guess."""
QUIET = 10.0
"""Seconds without a word after which a run's last line and its processor time are shown instead of its step."""
LONG_RUN = 300.0
"""Seconds after which a run is told of where no live part shows it, and again each time that has doubled."""


@contextmanager
def screen(lab: Lab) -> Iterator[Observer]:
    """An observer for the standard output: live where it is a terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if lab.ledger.made:
        console.print(plain(f"{lab.ledger.root} is a git repository of its own now"))
    if not sys.stdout.isatty():
        yield Lines(lab, console).tell
        return
    view = LiveView(lab, console)
    with Live(view, console=console, refresh_per_second=8, transient=True):
        yield view.tell


class Lines:
    """One line for each closed trial and each word to the person."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self.lab = lab
        self.console = console
        self.metric = lab.config.metric.name
        self._limit: int | None = None
        self._open: set[str] = set()
        self._jobs = 1
        self._since = time.monotonic()
        self._told: dict[tuple[str, int], float] = {}
        self._run_seconds: float | None = None

    def tell(self, event: Event) -> None:
        """Shows an event."""
        match event:
            case Started():
                self._started(event)
            case Ran() if event.trial.is_baseline and event.trial.id not in self.lab.history:
                value = number(event.run.metrics.get(self.metric))
                self._print(
                    f"{event.trial.ref:<8} seed {event.run.seed}: {self.metric} {value}, {duration(event.run.seconds)}"
                )
            case Progress():
                self._long_run(event)
            case Closed():
                self._open.discard(event.record.id)
                self._closed(event)
                if event.record.trial.is_baseline:
                    self._estimate(event.record)
            case Proof():
                self._proof(event)
            case Notice():
                self._print(wrapped(event.text, "  "), "yellow")
            case Opened():
                self._open.add(event.trial.id)
            case Stopping() if self._open:
                self._stopping(event)
            case Ended():
                self._ended(event)
            case _:
                pass

    def _print(self, text: str = "", style: str = "") -> None:
        """Prints a line that may hold text from anywhere: never as markup, never as a terminal's escapes."""
        self.console.print(Text(plain(text), style=style))

    def _long_run(self, event: Progress) -> None:
        """Says that a run goes on, now and then; of a first one without a budget, that nothing ends it."""
        due = self._told.get((event.trial.id, event.seed), LONG_RUN)
        if event.seconds < due:
            return
        self._told[event.trial.id, event.seed] = 2 * due
        words = pulse(event.quiet, event.line, event.cores)
        self._print(wrapped(f"seed {event.seed} runs for {duration(event.seconds)}: {words}", f"{event.trial.ref:<8} "))
        if self._endless and event.trial.id not in self.lab.history:
            hint = (
                "nothing ends it but the script itself: if it does not, press Ctrl-C twice and give it a budget, such "
                "as [budget] seconds = 300"
            )
            self._print(wrapped(hint, " " * 9), "yellow")

    @property
    def _endless(self) -> bool:
        """Whether no budget and no time limit ends a run of the first baseline."""
        budget = self.lab.config.budget
        bounded = budget.steps or budget.seconds or budget.flops or budget.timeout or self._run_seconds
        return self.lab.history.baseline is None and not bounded

    def _started(self, event: Started) -> None:
        limits = [counted(event.trials, "trial")] if event.trials else []
        limits += [f"{event.hours:g} hours"] if event.hours else []
        self._limit, self._jobs, self._run_seconds = event.trials, event.jobs, event.seconds
        side = f", {event.jobs} side by side" if event.jobs > 1 else ""
        until = " or ".join(limits) or "until you stop it (Ctrl-C)"
        self._print(f"autogit loop in {self.lab.ledger.root}: {until}{side}")
        if event.seconds:
            self._print(f"  each run gets {duration(event.seconds)}")
        if event.incumbent is None:
            first = "first the baseline: the unchanged code, to know what there is to beat and its noise"
            self._print(wrapped(first, "  "))
        else:
            self._estimate(event.incumbent)

    def _stopping(self, event: Stopping) -> None:
        """Says what is still waited for, and how a person ends that, too."""
        self._print(f"  stopping: {event.reason}", "yellow")
        for left in event.remaining:
            runs = f"run {min(left.done + 1, left.asked)} of {left.asked}"
            rest = "" if left.seconds is None else f", about {duration(left.seconds)} more"
            self._print(wrapped(f"waiting for {left.trial.ref}, which makes its {runs}{rest}", "  "), "yellow")
        if event.by_person and event.remaining:
            now = "Ctrl-C again ends it now: runs that are not finished are made again when the next loop starts"
            self._print(wrapped(now, "  "), "yellow")

    def _closed(self, event: Closed) -> None:
        record = event.record
        value = number(record.metrics.get(self.metric))
        gain = "" if record.trial.operator == "baseline" else percent(event.improvement)
        if record.kept:
            # A step of a line has no percentage of its own: the line has one, once it is proved.
            gain = f"z {record.statistics.get('z', 0.0):.1f}"
        line = Text(f"{record.trial.ref:<8} ")
        line.append(f"{record.verdict:<10}", STYLES.get(record.verdict, "red"))
        numbers = f" {self.metric} {value:>9} {gain:>8} {duration(record.seconds):>11}"
        room = min(TITLE, max(LEAST_TITLE, width() - len(line) - len(numbers) - 1))
        title = " ".join(plain(record.trial.title).split())
        title = title if width() > WIDEST else shortened(title, room)
        line.append(f" {title:<{room}}{numbers}")
        self.console.print(line)
        if not record.accepted:
            self._print(wrapped(record.reason, " " * 9), "dim")

    def _proof(self, event: Proof) -> None:
        """Says what became of the kept changes that raced together."""
        names = ", ".join(record.trial.ref for record in event.trials)
        verdict, style = ("proved", "bold green") if event.proved else ("unproved", "red")
        gain = f", {percent(event.improvement)} over the baseline" if event.proved else ""
        self._print(wrapped(f"{names} against {event.against.trial.ref}: {event.reason}{gain}", f"{verdict:<9}"), style)

    def _estimate(self, record: Record) -> None:
        """How long it will take, by what this lab's trials took, or else by the baseline's runs."""
        if not record.runs:
            return
        seconds = record.seconds / len(record.runs)
        words = f"  a run takes about {duration(seconds)}"
        if self._limit:
            records = self.lab.trials()
            trials = [r for r in records if not r.trial.is_baseline]
            if len(trials) >= TELLING:
                each = sum(r.seconds for r in records) / len(trials)
            else:
                # Most are dropped after one run, some need several; beside each accepted one the incumbent runs.
                # By the clock where the first baseline ran just now: that counts evaluation too.
                passed = (time.monotonic() - self._since) / len(record.runs) if len(records) == 1 else 0.0
                each = RUNS_PER_TRIAL * max(seconds, passed)
            total = each * self._limit / self._jobs
            end = time.strftime("%H:%M", time.localtime(time.time() + total))
            words += f", {counted(self._limit, 'trial')} about {duration(total)}: until {end}"
        self._print(words)

    def _ended(self, event: Ended) -> None:
        lab, best = self.lab, self.lab.best()
        if best is None and not event.interrupted:
            # Not even the baseline: the error that follows says it all.
            return
        print_ = self._print
        print_()
        done = f"{counted(event.trials, 'trial')} in {duration(event.seconds)}, {len(event.accepted)} accepted"
        print_(f"{event.reason}: {done}")
        if self._open:
            names = ", ".join(f"exp/{trial}" for trial in sorted(self._open))
            print_(f"given up: {names}; run again under the same number when the next loop starts")
        if best is None:
            return
        gain = "the baseline" if best.trial.is_baseline else f"{percent(lab.improvement(best))} over the baseline"
        print_(f"best: {best.trial.ref} {metric_name(lab)} {number(lab.history.value(best))}, {gain}")
        if (total := lab.total_gain()) is not None:
            print_(f"      in all {total}")
        if words := describe(best, lab.history):
            print_(wrapped(words, "audit: "))
        for record in event.accepted:
            print_(wrapped(f"{record.trial.title}: {record.reason}", f"  {record.trial.ref:<8} "))
        if cost := spent(lab.trials()):
            print_(cost)
        where = shlex.quote(str(lab.ledger.root))
        print_(f"next: cd {where} && git log --notes; git tag -n -l 'dead/*'; autogit log; autogit show {best.id}")


class LiveView(Lines):
    """Lines above, and below them what is happening now."""

    def __init__(self, lab: Lab, console: Console) -> None:
        super().__init__(lab, console)
        self._lock = threading.Lock()
        self._slots: dict[int, tuple[Opened, Progress | None, Ran | None]] = {}
        self._done = 0
        self._trials_since = self._since

    def _long_run(self, event: Progress) -> None:
        """Is shown below anyway; only what nothing ends is worth a line."""
        if self._endless:
            super()._long_run(event)

    def tell(self, event: Event) -> None:
        """Shows an event; lines scroll above the live part."""
        with self._lock:
            match event:
                case Started():
                    self._since = self._trials_since = time.monotonic()
                case Opened():
                    self._slots[event.slot] = (event, None, None)
                case Progress() if event.slot in self._slots:
                    opened, _, ran = self._slots[event.slot]
                    self._slots[event.slot] = (opened, event, ran)
                case Ran():
                    opened, _, _ = self._slots[event.slot]
                    self._slots[event.slot] = (opened, None, event)
                case Closed():
                    self._slots.pop(event.slot, None)
                    if event.record.trial.is_baseline:
                        self._trials_since = time.monotonic()
                    else:
                        self._done += 1
                case _:
                    pass
        super().tell(event)

    def __rich__(self) -> Group:
        with self._lock:
            rows = [self._row(slot) for slot in sorted(self._slots)]
            return Group(*rows, self._footer())

    def _row(self, slot: int) -> Text:
        opened, progress, ran = self._slots[slot]
        share = self._share(progress, ran)
        if progress is None:
            words = "starting" if ran is None else f"seed {ran.run.seed} done, another one"
        elif progress.step is None or progress.quiet >= QUIET:
            words = pulse(progress.quiet, progress.line, progress.cores)
            words = f"seed {progress.seed} for {duration(progress.seconds)}, {words}"
            words = shortened(words, max(LEAST_TITLE, width() - LEAST_TITLE - 11))
        else:
            words = f"seed {progress.seed} step {progress.step} loss {number(progress.loss)}"
        if progress is not None and share and share < 1:
            words += f", {duration(progress.seconds / share - progress.seconds)} left"
        bar = BAR if share is not None and width() >= WITH_BAR else 0
        room = width() - 9 - len(words) - (bar and bar + 1) - 1
        title = shortened(" ".join(plain(opened.trial.title).split()), min(TITLE, max(LEAST_TITLE, room)))
        text = Text(f"{opened.trial.ref:<8} ", "cyan").append(f"{title:<{min(TITLE, room)}} ", "cyan")
        if bar:
            done = round(bar * (share or 0.0))
            text.append("━" * done, "cyan").append("━" * (bar - done), "dim").append(" ")
        return text.append(words, "default")

    def _share(self, progress: Progress | None, ran: Ran | None) -> float | None:
        """How much of a run is done: of its budget, else of what the run before or the incumbent's took."""
        if progress is None:
            return None
        if progress.share is not None:
            return progress.share
        usual = ran.run.seconds if ran else self.lab.history.usual_seconds()
        return min(progress.seconds / usual, 1.0) if usual else None

    def _footer(self) -> Text:
        best = self.lab.best()
        done = self._done
        parts = [f"{done}{f' of {self._limit}' if self._limit else ''} trials"]
        now = time.monotonic()
        parts.append(duration(now - self._since))
        if self._limit and done:
            # What the baseline took says nothing of the trials.
            left = (now - self._trials_since) / done * (self._limit - done)
            parts.append(f"about {duration(left)} left")
        if best is not None:
            parts.append(f"best {best.trial.ref} {self.metric} {number(self.lab.history.value(best))}")
        return Text(" · ".join(parts), style="bold")
