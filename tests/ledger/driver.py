"""A small loop on a ledger, to be killed: driver.py FOLDER COUNT.

Prints what is closed, so that whoever kills it knows what must be there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from autogit.config.load import load
from autogit.ledger import GitLedger
from autogit.records import BASELINE, Curve, Proposal, Record, Run, RunStatus, Verdict


def main(folder: Path, count: int, trace: Callable[[str], None] = lambda point: None) -> None:
    ledger = GitLedger(load(folder / ".autoresearch.toml"), lambda path: path.endswith(".py"), trace)
    with ledger.lock():
        for turn in range(count):
            again = ledger.unfinished()
            base = ledger.main()
            baseline = not ledger.records()
            proposal = Proposal(base, "", "Baseline", BASELINE, BASELINE)
            if not baseline:
                proposal = Proposal(
                    base, "", f"Try {turn}", "hand", "number", raw="?", refused="" if turn % 5 else "why"
                )
            text = b"learning_rate = %d  # never twice the same: %d\n" % (turn, os.getpid())
            change = {"train.py": text, f"new/{turn}.py": b"x = 1\n"}
            trial = again[0] if again else ledger.open(proposal, {} if baseline else change)
            accepted = trial.is_baseline or (turn % 2 == 1 and trial.base == base)
            what = Verdict.ACCEPTED if accepted else Verdict.REJECTED
            run = Run(1, RunStatus.COMPLETED, 1.0, 5, {"val_loss": float(turn)})
            ledger.close(Record(trial, what, "", dict(run.metrics), (run,)), "log", [Curve(1, "loss", (1,), (2.0,))])
            print(trial.id, flush=True)
            if turn % 3 == 2:
                ledger.extend(trial.id, [Run(2, RunStatus.COMPLETED, 1.0, 5, {"val_loss": 0.5})], [])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
