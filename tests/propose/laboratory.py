"""A lab in a real repository with a real ledger, whose training is a number that the test makes up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import git

from autogit.config.load import load
from autogit.diff import applied, unified
from autogit.history import History
from autogit.ledger import GitLedger
from autogit.protocols import Context
from autogit.records import BASELINE, Proposal, Record, Run, RunStatus, Verdict


class Laboratory:
    """`propose`, then `close` with a loss: accepted if that is said, rejected otherwise."""

    def __init__(self, folder: Path, files: dict[str, str], space: str = "", seed: int = 0) -> None:
        folder.mkdir()
        for path, text in files.items():
            (folder / path).write_text(text)
        toml = f'[train]\ncommand = "python train.py --seed {{seed}}"\n[space]\n{space}'
        (folder / ".autoresearch.toml").write_text(toml)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "Start")
        self.file = load(folder / ".autoresearch.toml")
        self.ledger = GitLedger(self.file, lambda path: path.endswith(".py"))
        self.history = History(self.file.config.metric, self.ledger.records())
        self.pending: tuple[Proposal, ...] = ()
        self.seed = seed
        self.close(Proposal(self.ledger.main(), "", "Baseline", BASELINE, BASELINE), 1.0, Verdict.ACCEPTED)

    def context(self) -> Context:
        base = self.ledger.main()
        rng = np.random.default_rng([self.seed, len(self.history)])
        return Context(
            base, self.ledger.files(base), self.history, self.pending, rng, self.file.config, self.ledger, str
        )

    def change(self, path: str, old: str, new: str, proposer: str = "patterns", operator: str = "") -> Proposal:
        """A proposal that replaces a piece of text on today's `main`."""
        context = self.context()
        text = context.files[path]
        assert text.count(old) == 1
        diff = unified(context.files, {path: text.replace(old, new)})
        return Proposal(context.base, diff, f"{old} -> {new}", proposer, operator or new)

    def close(
        self, proposal: Proposal, loss: float | None, verdict: Verdict, reason: str = "", **metrics: float
    ) -> Record:
        """The trial of `proposal` with its verdict, as the loop would leave it."""
        made = applied(self.ledger.files(proposal.base), proposal.diff)
        assert made is not None
        changes = {path: None if text is None else text.encode() for path, text in made.items()}
        trial = self.ledger.open(proposal, changes)
        status = RunStatus.CRASHED if loss is None else RunStatus.COMPLETED
        measured = metrics if loss is None else {"val_loss": loss, **metrics}
        record = Record(trial, verdict, reason or verdict.value, measured, (Run(1, status, 5.0, 10, measured, reason),))
        self.ledger.close(record, "log\n", [])
        self.history.add(record)
        return record
