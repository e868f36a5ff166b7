"""The `certify` rule: greedy keeps are provisional until the tip of `main` has proved itself on seeds of its own.

What the loop does with it: when `due`, run what `certify` asks for until it judges the tip against the `anchor`, the
last state that was certified. Accepted: note it on the tip's record, the tip is the next anchor. Rejected: roll
forward with a revert of everything that came after the anchor.
"""

from __future__ import annotations

from autogit.config.model import Config
from autogit.evaluate.case import Case
from autogit.evaluate.decision import dead, incomplete
from autogit.evaluate.objective import objective
from autogit.evaluate.seeds import accepted_until, audit_block
from autogit.history import History
from autogit.protocols import Judgement, More
from autogit.records import Record

EVERY = 3
"""Provisional keeps after which the tip is certified."""
CERTIFIED = "certified"
"""The key of the check (`Record.checks`) that says of a record that it was certified."""


def anchor(history: History) -> Record | None:
    """The last certified trial, else the latest baseline; None before there is one."""
    for record in reversed(tuple(history)):
        if record.accepted and (
            record.trial.is_baseline or any(check.get(CERTIFIED) is True for check in record.checks)
        ):
            return record
    return None


def provisional(history: History) -> list[Record]:
    """The accepted changes since the anchor, oldest first."""
    last = anchor(history)
    records = list(history)
    since = records if last is None else records[next(i for i, r in enumerate(records) if r.id == last.id) + 1 :]
    return [record for record in since if record.accepted]


def due(history: History, every: int = EVERY) -> bool:
    """Whether so many keeps are provisional that the tip of `main` has to be certified."""
    return len(provisional(history)) >= every


def due_certificate(config: Config, history: History, tip: Record) -> tuple[Record, More | Judgement] | None:
    """The anchor and what `certify` says of `tip`, where the rule asks for it now."""
    last = anchor(history)
    if config.accept.rule != "certify" or last is None or last.id == tip.id or not due(history):
        return None
    return last, certify(config, tip, last, history)


def certify(config: Config, tip: Record, against: Record, history: History) -> More | Judgement:
    """The race of `tip` (the candidate of a `More`) against the anchor (its incumbent), on seeds that chose neither."""
    records = tuple(history)
    seeds = audit_block(config, accepted_until(records, tip.id))
    compared = objective(config, (history.baseline or against).metrics)
    runs = [run for run in tip.runs if run.seed in seeds]
    if judgement := dead(runs) or incomplete(runs, compared):
        return judgement
    return Case(config, compared, runs, against, records, 0, seeds, range(0)).race()
