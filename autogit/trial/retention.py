"""What is kept of the runs' output folders: the incumbent's, the best few, within a disk limit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from autogit.config.model import Checkpoints
from autogit.events import Closed, Event, Opened
from autogit.history import History

GB = 10**9
OUT = "out"
"""Below the lab's private folder: one folder for each trial, in it one for each seed."""


class Retention:
    """An observer that deletes, after each closed trial, the output that is not worth its disk space.

    Output of trials in work is left alone, and so is what cannot be deleted.
    """

    def __init__(self, private: Path, history: History, rule: Checkpoints) -> None:
        self._folder = private / OUT
        self._history = history
        self._rule = rule
        self._open: set[str] = set()

    def tell(self, event: Event) -> None:
        """Listens for the beginning and the end of trials."""
        match event:
            case Opened():
                self._open.add(event.trial.id)
            case Closed():
                self._open.discard(event.record.id)
                self._tidy()
            case _:
                pass

    def _tidy(self) -> None:
        sizes = {trial: size(folder) for trial, folder in _folders(self._folder) if trial not in self._open}
        for trial in sizes.keys() - chosen(self._history, sizes, self._rule):
            shutil.rmtree(self._folder / trial, ignore_errors=True)


def chosen(history: History, sizes: Mapping[str, int], rule: Checkpoints) -> set[str]:
    """The trials whose output is kept, of those in `sizes` (bytes).

    The incumbent's always; then the best ones with a metric, best first, as many as the rule says, each as long as all
    kept output together stays within the limit: a worse one that still fits goes in where a better one does not.
    """
    incumbent = history.best()
    kept = {incumbent.id} & sizes.keys() if incumbent else set()
    room = rule.max_gb * GB - sum(sizes[trial] for trial in kept)
    count = 0
    for record in history.top(len(history)):
        if count == rule.keep:
            break
        if record.id in sizes and record.id not in kept and sizes[record.id] and sizes[record.id] <= room:
            kept.add(record.id)
            room -= sizes[record.id]
            count += 1
    return kept


def kept(private: Path, trial: str) -> list[Path]:
    """The output folders of a trial's runs that are still there and hold something."""
    folder = private / OUT / trial
    return sorted(p for p in folder.glob("*") if p.is_dir() and any(p.iterdir()))


def size(folder: Path) -> int:
    """Bytes of the files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() or not path.is_file() else path.stat().st_size
        except OSError:
            continue
    return total


def _folders(out: Path) -> Iterator[tuple[str, Path]]:
    """Every trial with output: (id, folder). A named lab's trials lie one folder deeper."""
    for folder in sorted(out.glob("*")):
        if folder.name.isdecimal():
            yield folder.name, folder
        else:
            yield from ((f"{folder.name}/{inner.name}", inner) for inner in sorted(folder.glob("*")))
