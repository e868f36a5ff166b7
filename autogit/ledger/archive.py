"""Labs that were put away: all their refs below `refs/autogit/archive/N/`, where nothing looks for trials."""

from __future__ import annotations

import re
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger import note
from autogit.ledger.git import commits, notes
from autogit.ledger.git.refs import Journal, Move
from autogit.ledger.repository import Repository
from autogit.ledger.trial_refs import BRANCHES, DEAD, TAGS, Numbers, number

ARCHIVE = "refs/autogit/archive/"
_NAME = re.compile(re.escape(ARCHIVE) + r"((?:[a-z0-9_-]+/)?\d+)/")
_COUNT = "autogit.archives"
"""In the clone's own git configuration: the last number that was given, so that none is given twice."""
_OUT = "out"


def archived(ref: str) -> str:
    """The lab to which a ref below `ARCHIVE` belongs: `3`, or `h200/3` where a clone with a name put it away."""
    match = _NAME.match(ref)
    return match[1] if match else ""


class Archive:
    """Puts the present lab away, and brings one back. What was begun is in a file until it is done."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._journal = Journal(repository.private / "archive.json")

    def labs(self) -> list[str]:
        """Those that were put away, here or by other clones."""
        found = {archived(ref) for ref in self._repository.refs.list(ARCHIVE)}
        return sorted(found - {""}, key=lambda id: (number(id), id))

    def put_away(self, numbers: Numbers) -> str:
        """Under which number. Raises WorkspaceError where there is nothing to put away."""
        with self._repository.lock:
            if not self._live():
                raise WorkspaceError("this lab has no trials: there is nothing to put away")
            away = self._new_number(numbers)
            self._begin(away=away)
        return away

    def bring_back(self, wanted: str | None, numbers: Numbers) -> str:
        """Lab `wanted`, or the one that was put away here last; the present one is put away. Raises WorkspaceError."""
        with self._repository.lock:
            numbers.settle()
            labs = self.labs()
            own = [id for id in labs if numbers.own(id)]
            choice = own[-1:] if wanted is None else [id for id in (numbers.id(wanted), wanted) if id in labs]
            if not choice:
                known = ", ".join(labs) or "none"
                raise WorkspaceError(f"there is no such lab to return to; put away: {known}")
            self._begin(away=self._new_number(numbers) if self._live() else "", back=choice[0])
        return choice[0]

    def resume(self) -> None:
        """Finishes what a killed process has begun."""
        if self._journal.read():
            with self._repository.lock:
                if begun := self._journal.read():
                    self._go_on(**begun)

    def _begin(self, away: str = "", back: str = "") -> None:
        self._note(away, back)
        self._go_on(away, back)

    def _note(self, away: str, back: str) -> None:
        self._journal.note({"away": away, "back": back})
        self._repository.trace("archive noted")

    def _go_on(self, away: str, back: str) -> None:
        """Every step can be repeated. What came back must not be put away again: the note says when that is over."""
        out, refs = self._repository.private / _OUT, self._repository.refs
        if away:
            refs.move(self._away(away))
            _take(out, self._folder(away))
            self._note("", back)
        if back:
            refs.move(self._back(back))
            _take(self._folder(back), out)
        out.mkdir(exist_ok=True)
        self._repository.trace("archive done")
        self._journal.clear()

    def _new_number(self, numbers: Numbers) -> str:
        numbers.settle()
        git = self._repository.git
        last = int(git.run("config", "--local", "--get", _COUNT, ok=(0, 1)) or 0)
        own = [number(id) for id in self.labs() if numbers.own(id)]
        git.run("config", "--local", _COUNT, str(max([last, *own]) + 1))
        return numbers.id(max([last, *own]) + 1)

    def _away(self, id: str) -> list[Move]:
        """A person's own words in notes stay where they are."""
        refs, live = self._repository.refs, self._live()
        kept = [Move(_place(id, ref), refs.get(_place(id, ref)), commit) for ref, commit in live.items()]
        gone = [
            Move(ref, commit, self._words(commit) if ref == notes.RECORDS else None) for ref, commit in live.items()
        ]
        return [*kept, *sorted(gone, key=lambda move: move.new is None)]

    def _back(self, id: str) -> list[Move]:
        """Into an emptied place."""
        refs, moves = self._repository.refs, []
        stored = refs.list(f"{ARCHIVE}{id}/")
        for place, commit in stored.items():
            ref = f"refs/{place.removeprefix(f'{ARCHIVE}{id}/')}"
            present = refs.get(ref)
            joins = present is not None and ref == notes.RECORDS
            moves.append(Move(ref, present, self._joined(str(present), commit) if joins else commit))
        return [*moves, *(Move(place, commit, None) for place, commit in stored.items())]

    def _live(self) -> dict[str, str]:
        """What makes the present lab; empty where it has no trial and nothing else."""
        found = self._repository.refs.list(BRANCHES, TAGS, DEAD, notes.LOGS, notes.CURVES, "refs/autogit/")
        found = {ref: commit for ref, commit in found.items() if not ref.startswith(ARCHIVE)}
        records = self._repository.refs.get(notes.RECORDS)
        return found | ({notes.RECORDS: records} if records and self._words(records) != records else {})

    def _words(self, commit: str) -> str | None:
        """The notes without the records: a commit on top, or None where nothing is left."""
        store, before = self._repository.store, self._repository.tree(commit)
        words = {target: note.words(notes.get(store, before, target)) for target in notes.blobs(store, before)}
        root = notes.put(store, before, words)
        if root is None:
            return None
        return commit if root == before else commits.add(store, root, [commit], "Put the lab away\n")

    def _joined(self, present: str, stored: str) -> str:
        store, tree = self._repository.store, self._repository.tree
        root = notes.merge(store, tree(present), tree(stored), None, note.join) or store.add_tree({})
        return present if root == tree(present) else commits.add(store, root, [present, stored], "Bring the lab back\n")

    def _folder(self, id: str) -> Path:
        return self._repository.private / "archive" / id / _OUT


def _place(id: str, ref: str) -> str:
    return f"{ARCHIVE}{id}/{ref.removeprefix('refs/')}"


def _take(source: Path, target: Path) -> None:
    """Takes the kept output of the runs along."""
    if source.is_dir() and not (target.is_dir() and any(target.iterdir())):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
