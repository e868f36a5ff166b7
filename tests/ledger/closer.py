"""Opens and closes COUNT trials as fast as it can, beside others that do the same: closer.py FOLDER COUNT."""

from __future__ import annotations

import sys
from pathlib import Path

from autogit.config.load import load
from autogit.ledger import GitLedger
from autogit.records import Proposal, Record, Run, RunStatus, Verdict

folder, count = Path(sys.argv[1]), int(sys.argv[2])
ledger = GitLedger(load(folder / ".autoresearch.toml"), lambda path: True)
base = ledger.main()
for number in range(count):
    trial = ledger.open(Proposal(base, "", f"Try {number}", "hand", "number"), {"train.py": b"a = %d\n" % number})
    ledger.close(Record(trial, Verdict.REJECTED, "no", {}, (Run(1, RunStatus.CRASHED, 1.0),)), f"log of {trial.id}", [])
    print(trial.id, flush=True)
