"""What the parts of one running loop share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from autogit.config.model import Config
from autogit.events import Observer
from autogit.history import History
from autogit.protocols import Ledger
from autogit.records import Record


@dataclass(frozen=True, slots=True)
class Session:
    """One loop at work on one lab. The ledger and the history change only under `lock`."""

    config: Config
    config_hash: str
    ledger: Ledger
    history: History
    observer: Observer
    lock: threading.RLock = field(default_factory=threading.RLock)
    cancel: threading.Event = field(default_factory=threading.Event)
    """Set: runs and model calls are given up now; the open trials run again next time."""
    ending: threading.Event = field(default_factory=threading.Event)
    """Set: no slot waits for another proposal."""

    def main(self) -> Record | None:
        """Returns the accepted trial at the tip of `main`; None if nobody has measured it."""
        with self.lock:
            return self.history.at(self.ledger.main())

    def incumbent(self) -> Record | None:
        """Returns the trial that a proposal has to beat now; None if nobody has measured `main`."""
        with self.lock:
            return self.history.at(self.ledger.tip())

    def line(self) -> list[Record]:
        """Returns the kept trials from `main` to the tip of the provisional line, oldest first."""
        with self.lock:
            found, record = [], self.incumbent()
            while record is not None and record.kept:
                found.append(record)
                record = self.history.at(record.trial.base)
            return found[::-1]
