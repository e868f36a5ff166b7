"""Closes COUNT trials of a lab and syncs after each, beside others that do the same: syncer.py FOLDER COUNT."""

from __future__ import annotations

import sys
from pathlib import Path

from autogit.config.load import load
from autogit.ledger import GitLedger
from autogit.records import Proposal, Record, Run, RunStatus, Verdict

folder, count = Path(sys.argv[1]), int(sys.argv[2])
ledger = GitLedger(load(folder / ".autoresearch.toml"), lambda path: True)
for number in range(count):
    text = b"a = %d\n" % number
    trial = ledger.open(Proposal(ledger.main(), "", f"Try {number}", "hand", "number"), {"train.py": text})
    ledger.close(Record(trial, Verdict.REJECTED, "no", {}, (Run(1, RunStatus.CRASHED, 1.0),)), "log", [])
    ledger.sync("origin")
    print(trial.id, flush=True)
