"""A lab at this moment, as the sections of the live page. Every text in them is escaped."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogit.history import spending
from autogit.lab import Lab
from autogit.records import Record
from autogit.report.facts import Facts
from autogit.report.headline import cards, headline
from autogit.report.progress import EXPLAINED, counts, curve_of, kind, progress_svg, use
from autogit.trial.live import Live, Slot, read_live
from autogit.trial.retention import size
from autogit.watch.curve import running_svg
from autogit.watch.machine import Machine
from autogit.wording import duration, number, plain

if TYPE_CHECKING:
    import jinja2

SECTIONS = ("now", "progress", "latest", "queue", "machine")
LATEST = 12
"""Trials in the list of what was closed last."""
REST = 4.0
"""Between two readings of all trials lie at least so many times the seconds that one takes."""
DISK_SECONDS = 30.0
"""How often the lab's folder is measured."""


@dataclass(frozen=True, slots=True)
class Running:
    """One trial in work, as it is shown."""

    slot: Slot
    chart: str
    incumbent: str
    """The trial whose curve stands beside it; empty if there is none."""


class View:
    """Renders a lab again and again; reads the trials anew only if there are new ones. For several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError or WorkspaceError if there is no lab."""
        self.lab = Lab.open(folder)
        self._lock = threading.Lock()
        self._machine = Machine(self.lab.ledger.private)
        self._version = ""
        self._facts: Facts | None = None
        self._next = 0.0
        self._disk = (0, -DISK_SECONDS)
        self._rendered: dict[str, str] = {}
        self._templates = _templates()

    def page(self) -> str:
        """The page, with every section as it is now."""
        sections = self.sections()
        return self._templates.get_template("page.html").render(
            lab=self.lab.ledger.root.name, folder=str(self.lab.ledger.root), sections=sections
        )

    def sections(self) -> dict[str, str]:
        """The sections as HTML, by name."""
        with self._lock:
            facts = self._read()
            self._rendered["now"] = self._render("now", now=time.time(), **self._now(facts))
            self._rendered["queue"] = self._render(
                "queue",
                ideas=self.lab.ideas(),
                proposals=self.lab.ledger.kept(),
                open=self.lab.ledger.unfinished(),
            )
            self._rendered["machine"] = self._render("machine", **self._means(facts))
            return dict(self._rendered)

    def _read(self) -> Facts:
        """The facts; where there are new trials, the sections that are made of them too."""
        version, now = self.lab.ledger.version(), time.monotonic()
        if self._facts is None or (version != self._version and now >= self._next):
            self.lab.look_again()
            self._facts = facts = self.lab.facts(brief=True)
            self._version = version
            self._rendered["progress"] = self._render(
                "progress", facts=facts, headline=headline(facts), cards=cards(facts), chart=progress_svg(facts),
                legend={name: use(name, 8, 8) for name in ["baseline", *counts(facts)]}, counts=counts(facts),
                explained=EXPLAINED,
            )  # fmt: skip
            latest = [(record, _effect(facts, record)) for record in list(facts.history)[: -LATEST - 1 : -1]]
            self._rendered["latest"] = self._render("latest", latest=latest)
            took = time.monotonic() - now
            self._next = time.monotonic() + REST * took
        return self._facts

    def _now(self, facts: Facts) -> dict[str, Any]:
        ledger = self.lab.ledger
        pid = ledger.running()
        live = None if pid is None else read_live(ledger.private, pid)
        slots = [] if live is None else [self._running(facts, slot) for _, slot in sorted(live.slots.items())]
        return {"pid": pid, "live": live, "running": slots, "limit": _limit(live)}

    def _running(self, facts: Facts, slot: Slot) -> Running:
        best = facts.best()
        curves = () if best is None or slot.seed is None else self.lab.curves(best.id)
        against = None if slot.seed is None else curve_of(curves, slot.seed)
        name = best.id if best is not None and against is not None else ""
        return Running(slot, running_svg(slot.trial, slot.curve, against, name), name)

    def _means(self, facts: Facts) -> dict[str, Any]:
        measured, when = self._disk
        if time.monotonic() - when >= DISK_SECONDS:
            measured = size(self.lab.ledger.private)
            self._disk = measured, time.monotonic()
        paid = spending(facts.history)
        return {
            "meters": self._machine.meters(), "kept": measured / 2**20, "folder": str(self.lab.ledger.private),
            "spent": paid, "limit": facts.config.limits.cost,
        }  # fmt: skip

    def _render(self, name: str, **values: Any) -> str:
        return self._templates.get_template(f"{name}.html").render(**values)


def _templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autogit.watch", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"number": number, "duration": duration, "kind": kind}
    return environment


def _effect(facts: Facts, record: Record) -> str:
    effect = facts.effect(record)
    return "" if effect is None else f"{effect:+.3g}{facts.unit}"


def _limit(live: Live | None) -> str:
    """What the loop ends after, in words."""
    if live is None:
        return ""
    hours = f" or {live.hours:g} h" if live.hours else ""
    return (f" of {live.trials}" if live.trials else "") + hours
