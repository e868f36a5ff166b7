"""Two labs and one plain git remote: everything goes both ways, nothing is overwritten, nobody forces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autogit.errors import WorkspaceError
from autogit.ledger.annotations import CONFIG
from autogit.ledger.archive import ARCHIVE, Archive
from autogit.ledger.ending import DEAD, TAGS
from autogit.ledger.git import notes
from autogit.ledger.line import NEXT
from autogit.ledger.merge import SHELVES, Merge
from autogit.ledger.numbers import Numbers
from autogit.ledger.remote import PushRefusedError, Remote
from autogit.ledger.repository import Repository

MAX_WORDS = 20
"""Bad records that are named to the person."""
_ATTEMPTS = 50
"""How often the remote may move between fetching and sending; each time another lab got on."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync has done."""

    again: tuple[str, ...]
    """Our accepted trials that the other side's `main` came before: superseded now, to be tried again on it."""
    words: tuple[str, ...]
    """What the person has to know about their files."""
    received: int = 0
    """Records that were not here before."""

    def having_received(self, count: int) -> Synced:
        """The same, of which `count` records are new here."""
        return replace(self, received=count)


class Sync:
    """Of one lab with one remote."""

    def __init__(self, repository: Repository, numbers: Numbers, root: Path, remote: str, trials: bool) -> None:
        """`root`: where the person's settings hold; `trials`: whether tags of trials go both ways too."""
        self._repository = repository
        self._numbers = numbers
        self._remote = Remote(repository.git, root, remote)
        self._trials = trials
        self._wanted = [repository.branch, "refs/notes/commits", "refs/notes/autogit/", SHELVES, TAGS, DEAD]

    def run(self) -> Synced:
        """Fetches, merges, sends; again where another lab sent meanwhile. Raises WorkspaceError."""
        again: dict[str, None] = {}
        words: list[str] = []
        for attempt in range(_ATTEMPTS):
            there = self._fetch()
            self._check(there)
            words += self._strange(there)
            merge = Merge(self._repository, self._numbers, there, self._trials)
            words += merge.make()
            again |= dict.fromkeys(record.id for record in merge.beaten)
            try:
                self._send(there)
                break
            except PushRefusedError:
                if attempt == _ATTEMPTS - 1:
                    raise
        self._remote.remember()
        return Synced(tuple(again), tuple(words))

    def _fetch(self) -> dict[str, str]:
        there = self._remote.refs(*self._wanted)
        there.pop(NEXT, None)
        wanted = [ref for ref in there if self._trials or not ref.startswith((TAGS, DEAD))]
        present = self._repository.store.find_all([there[ref] for ref in wanted])
        self._remote.fetch(ref for ref, found in zip(wanted, present, strict=True) if found is None)
        self._repository.trace("objects fetched")
        return there

    def _strange(self, there: Mapping[str, str]) -> list[str]:
        """Names what the remote has and is not taken up."""
        annotated, name = self._repository.notes, self._remote.name
        words = [f"{name}: {word}" for word in (annotated.bad(there[notes.RECORDS]) if notes.RECORDS in there else [])]
        config = there.get(f"{SHELVES}{CONFIG}")
        if config and not annotated.is_genuine(CONFIG, config):
            words.append(f"{name}: a configuration that stands under the hash of another text is left out")
        return words[:MAX_WORDS]

    def _check(self, there: Mapping[str, str]) -> None:
        """Raises WorkspaceError where the remote's trials are others than ours of the same numbers."""
        name, annotated = self._remote.name, self._repository.notes
        theirs = there.get(notes.RECORDS)
        if theirs is None:
            return
        stamps = {(record.id, record.closed) for record in annotated.records(theirs)}
        for lab in Archive(self._repository).labs():
            stored = self._repository.refs.get(f"{ARCHIVE}{lab}/{notes.RECORDS.removeprefix('refs/')}")
            if stored and any((r.id, r.closed) in stamps for r in annotated.records(stored)):
                raise WorkspaceError(
                    f"{name} still holds the lab that was put away as {lab}; return to that one "
                    f"(autogit reset --back --number {lab}), or sync the present one with another remote"
                )
        here = self._repository.refs.list(TAGS)
        ours = self._repository.refs.get(notes.RECORDS)
        strange = ours is not None and not self._related(ours, theirs)
        ids = {id for id, _ in stamps}
        if any(there.get(ref, id) != id for ref, id in here.items()) or (
            strange and any(record.id in ids for record in annotated.records())
        ):
            raise WorkspaceError(
                f"{name} holds other trials under the numbers of this lab: both have no name of their own. "
                "Sync this lab with another remote, or clone that one and work there"
            )

    def _related(self, ours: str, theirs: str) -> bool:
        return bool(self._repository.git.run("merge-base", ours, theirs, ok=(0, 1)))

    def _send(self, there: Mapping[str, str]) -> None:
        refs = self._repository.refs.list(self._repository.branch, "refs/notes/", SHELVES, TAGS, DEAD)
        refs.pop(NEXT, None)
        specs = [ref for ref in (self._repository.branch, *notes.ALL) if there.get(ref) != refs.get(ref)]
        specs += [ref for ref in refs if ref.startswith(SHELVES) and self._sends(ref, refs[ref], there)]
        specs = [f"{ref}:{ref}" for ref in specs]
        if self._trials:
            specs += self._tags({r: id for r, id in refs.items() if r.startswith((TAGS, DEAD))}, there)
        if specs:
            self._remote.push(specs)
        self._repository.trace("sent")

    def _sends(self, ref: str, id: str, there: Mapping[str, str]) -> bool:
        # What was put away never changes: it is there, or it is not.
        return ref not in there if ref.startswith(ARCHIVE) else there.get(ref) != id

    def _tags(self, here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
        """Those that the remote lacks: by pattern where that means the same, as there can be very many."""
        specs = []
        for kind in (TAGS, DEAD):
            of_kind = {ref: id for ref, id in here.items() if ref.startswith(kind)}
            lacking = [ref for ref in of_kind if ref not in there]
            clash = any(there.get(ref, id) != id for ref, id in of_kind.items())
            specs += [f"{ref}:{ref}" for ref in lacking] if clash else [f"{kind}*:{kind}*"] if lacking else []
        return specs
