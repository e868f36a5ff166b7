"""Labs that were put away: all their refs below `refs/autogit/archive/N/`, where nothing looks for trials."""

from __future__ import annotations

from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger import commits, note, notes
from autogit.ledger.ending import BRANCHES, DEAD, TAGS
from autogit.ledger.objects import ObjectStore
from autogit.ledger.refs import Move, Refs

ARCHIVE = "refs/autogit/archive/"
_OUT = "out"


class Archive:
    """Prepares the moves that put a lab away or bring it back; the caller makes them."""

    def __init__(self, store: ObjectStore, refs: Refs, private: Path) -> None:
        self._store = store
        self._refs = refs
        self._private = private

    def numbers(self) -> list[int]:
        """The labs that were put away, the latest last."""
        return sorted({int(ref.removeprefix(ARCHIVE).partition("/")[0]) for ref in self._refs.list(ARCHIVE)})

    def away(self) -> tuple[int, list[Move]]:
        """(number, moves) that put the present lab away. A person's own words in notes stay where they are.

        What a killed process has begun is gone on with, under the same number. No moves where there is no trial.
        """
        live = self._live()
        last = max(self.numbers(), default=0)
        begun = last and live and all(self._refs.get(_place(last, ref)) == id for ref, id in live.items())
        number = last if begun else last + 1
        records = self._refs.get(notes.RECORDS)
        if records is not None and self._words(records) != records:
            live[notes.RECORDS] = records
        kept = [Move(_place(number, ref), self._refs.get(_place(number, ref)), id) for ref, id in live.items()]
        gone = [Move(ref, id, self._words(id) if ref == notes.RECORDS else None) for ref, id in live.items()]
        return number, [*kept, *sorted(gone, key=lambda move: move.new is None)]

    def back(self, number: int) -> list[Move]:
        """The moves that bring lab `number` back to an emptied place. Raises WorkspaceError where there is none."""
        prefix = f"{ARCHIVE}{number}/"
        stored = self._refs.list(prefix)
        if not stored:
            raise WorkspaceError(f"no lab was put away as number {number}; nothing was changed")
        moves = []
        for place, id in stored.items():
            ref = f"refs/{place.removeprefix(prefix)}"
            present = self._refs.get(ref)
            moves.append(Move(ref, present, self._joined(present, id) if present and ref == notes.RECORDS else id))
        return [*moves, *(Move(place, id, None) for place, id in stored.items())]

    def move_output(self, away: int | None = None, back: int | None = None) -> None:
        """Takes the kept output of the runs along."""
        out = self._private / _OUT
        for number, source, target in ((away, out, self._stored(away)), (back, self._stored(back), out)):
            if number is not None and source.is_dir() and not (target.is_dir() and any(target.iterdir())):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
        out.mkdir(exist_ok=True)

    def _stored(self, number: int | None) -> Path:
        return self._private / "archive" / str(number) / _OUT

    def _live(self) -> dict[str, str]:
        found = self._refs.list(BRANCHES, TAGS, DEAD, notes.LOGS, notes.CURVES, "refs/autogit/")
        return {ref: id for ref, id in found.items() if not ref.startswith(ARCHIVE)}

    def _words(self, commit: str) -> str | None:
        """The notes without the records: a commit on top, or None where nothing is left."""
        before = commits.read(self._store, commit).tree
        root: str | None = before
        for target in notes.blobs(self._store, before):
            root = notes.put(self._store, root, target, note.words(notes.get(self._store, before, target)))
        if root is None:
            return None
        return commit if root == before else commits.add(self._store, root, [commit], "Put the lab away\n")

    def _joined(self, present: str, stored: str) -> str:
        roots = [commits.read(self._store, id).tree for id in (present, stored)]
        root = notes.merge(self._store, roots[0], roots[1], note.join) or self._store.add_tree({})
        return commits.add(self._store, root, [present, stored], "Bring the lab back\n")


def _place(number: int, ref: str) -> str:
    return f"{ARCHIVE}{number}/{ref.removeprefix('refs/')}"
