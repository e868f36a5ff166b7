"""A lab in a real repository, and the shortest way through a trial's life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autogit.config.load import load
from autogit.ledger import GitLedger
from autogit.records import BASELINE, Curve, Proposal, Record, Run, RunStatus, Trial, Verdict

CONFIG = '[train]\ncommand = "python train.py --seed {seed}"\n'


def editable(path: str) -> bool:
    return path.endswith(".py")


def open_lab(folder: Path, trace: Callable[[str], None] = lambda point: None) -> GitLedger:
    path = folder / ".autoresearch.toml"
    if not path.exists():
        path.write_text(CONFIG)
    return GitLedger(load(path), editable, trace)


def propose(ledger: GitLedger, text: str = "learning_rate = 0.2\n", **facts: object) -> Trial:
    proposal = Proposal(ledger.main(), "", str(facts.pop("title", "Double the learning rate")), "hand", "learning_rate",
                        **facts)  # type: ignore[arg-type]  # fmt: skip
    return ledger.open(proposal, {"train.py": text.encode()})


def keep(ledger: GitLedger, text: str) -> Record:
    """Puts a trial on the provisional line."""
    trial = ledger.open(Proposal(ledger.tip(), "", "Keep", "hand", "number"), {"train.py": text.encode()})
    record = verdict(trial, Verdict.KEPT)
    ledger.close(record, "log", [])
    return ledger.record(trial.id)


def baseline(ledger: GitLedger) -> Record:
    trial = ledger.open(Proposal(ledger.main(), "", "Baseline", BASELINE, BASELINE), {})
    record = verdict(trial, Verdict.ACCEPTED)
    ledger.close(record, "step 1 loss 1.0\n", [])
    return record


def verdict(trial: Trial, what: Verdict = Verdict.REJECTED, value: float = 1.0) -> Record:
    run = Run(1, RunStatus.COMPLETED, 2.5, 10, {"val_loss": value})
    return Record(trial, what, f"val_loss {value}", {"val_loss": value}, (run,), {"device": "cpu", "threads": 2})


def curve() -> Curve:
    return Curve(1, "loss", (1, 2, 3), (3.0, 2.5, 2.25))


@pytest.fixture
def ledger(repository: Path) -> GitLedger:
    return open_lab(repository)
