"""Trials side by side: in whatever order they end, main holds only what was measured on top of main."""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import git
from toy import branches, make_toy

from autogit import Lab, wiring
from autogit.events import Closed, Event, Opened
from autogit.propose.notices import Notices
from autogit.protocols import Context
from autogit.records import Proposal, Record, Verdict

TRAIN = """\
import sys
import time
from pathlib import Path

a = 0

# far from the others, so that changes of two lines do not meet
b = 0

# far from the others, so that changes of two lines do not meet
c = 0

# far from the others, so that changes of two lines do not meet
d = 0

wanted = [f"{name}{value}" for name, value in (("a", a), ("b", b), ("c", c), ("d", d)) if value]
while not all((Path(sys.argv[2]) / name).exists() for name in wanted):
    time.sleep(0.01)
print(f"val_loss: {10 - a - b - c - d}")
"""


class Script:
    """Proposes the given changes, each once, against whatever main is."""

    name = "script"

    def __init__(self, changes: Sequence[tuple[str, int]]) -> None:
        self.notices = Notices()
        self._changes = list(changes)

    def propose(self, context: Context) -> Proposal | None:
        tried = {r.trial.title for r in context.history} | {p.title for p in context.pending}
        for name, value in self._changes:
            if f"{name}{value}" not in tried:
                now = re.search(rf"^{name} = \d+$", context.files["train.py"], re.MULTILINE)
                assert now is not None
                diff = f"--- a/train.py\n+++ b/train.py\n@@\n-{now.group()}\n+{name} = {value}\n"
                return Proposal(context.base, context.check(diff), f"{name}{value}", self.name, name)
        return None


def race(folder: Path, changes: Sequence[tuple[str, int]], order: Sequence[str]) -> list[Record]:
    """A loop of two slots on a script; runs end in `order` (titles), as far as they run at the same time."""
    gates = folder / "gates"
    gates.mkdir(parents=True)
    lab = folder / "lab"
    make_toy(lab, TRAIN, more='[accept]\nrule = "greedy"\nseeds = 1\n')
    config = lab / ".autoresearch.toml"
    config.write_text(config.read_text().replace("train.py {seed}", f"train.py {{seed}} {gates}"))
    running: set[str] = set()
    seen: set[str] = set()
    turn = threading.Lock()

    def watch(event: Event) -> None:
        with turn:
            if isinstance(event, Opened) and not event.trial.is_baseline:
                running.add(event.trial.title)
                seen.add(event.trial.title)
            if isinstance(event, Closed):
                running.discard(event.record.trial.title)
            # Two run, or nothing new will come beside this one: let the one go that comes first in the order.
            if len(running) == 2 or (running and len(seen) == len(changes)):
                (gates / min(running, key=order.index)).touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build_portfolio", lambda config, cancel: Script(changes))
        ended = Lab.open(lab).loop(jobs=2, observer=watch)
    assert "nothing is left" in ended.reason
    return Lab.open(lab).trials()


def check(folder: Path, records: Sequence[Record]) -> None:
    """Main is a line of accepted trials, each measured on the one before."""
    accepted = [record for record in records if record.accepted]
    assert all(after.trial.base == before.trial.commit for before, after in itertools.pairwise(accepted))
    commits = git(folder, "rev-list", "--first-parent", "main").split()
    assert [record.trial.commit for record in reversed(accepted)] == commits
    assert branches(folder) == ["main"]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_order_all_that_helps_ends_on_main(tmp_path: Path, seed: int) -> None:
    changes = [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    order = [f"{name}{value}" for name, value in changes]
    random.Random(seed).shuffle(order)
    records = race(tmp_path, changes, order)
    check(tmp_path / "lab", records)
    assert [record.metrics["val_loss"] for record in records if record.accepted][-1] == 0
    superseded = [record for record in records if record.verdict is Verdict.SUPERSEDED]
    assert superseded and all("tried again" in record.reason for record in superseded)
    retried = {record.trial.parents for record in records if record.trial.operator == "retry"}
    assert {(record.id,) for record in superseded} <= retried


@pytest.mark.parametrize("order", [["a1", "a2"], ["a2", "a1"]])
def test_the_later_of_two_that_conflict_is_dead_and_says_so(tmp_path: Path, order: list[str]) -> None:
    records = race(tmp_path, [("a", 1), ("a", 2)], order)
    check(tmp_path / "lab", records)
    verdicts = {r.trial.title: r.verdict for r in records if r.trial.operator == "a"}
    assert verdicts == {order[0]: Verdict.ACCEPTED, order[1]: Verdict.SUPERSEDED}
    (again,) = [record for record in records if record.trial.operator == "retry"]
    assert (
        again.trial.title == order[1]
        and again.verdict is Verdict.INVALID
        and "conflicts with the new main" in again.reason
    )
    assert f"a = {order[0][1]}" in (tmp_path / "lab" / "train.py").read_text()
