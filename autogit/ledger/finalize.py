"""The accepted changes as a branch for people: their own words in the messages, and nothing of the lab's own trailers.

The files of every commit are exactly those of `main` after the same change, so that nothing can conflict. Made again,
the branch is the same one, to the last bit: dates and authors are those of the original commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autogit.errors import WorkspaceError
from autogit.ledger.git.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Step:
    """One commit to make: the files and the author of `commit`, with another message; None keeps a person's own."""

    commit: str
    message: str | None


def steps(line: Sequence[str], messages: Mapping[str, str], squash: str | None) -> list[Step]:
    """The steps from `line`, commits of `main` oldest first; `messages` says which are accepted changes.

    With `squash`, a first line that counts, neighbours among them become one commit.
    """
    found: list[list[Step]] = []
    for commit in line:
        step = Step(commit, messages.get(commit))
        if squash is not None and step.message is not None and found and found[-1][-1].message is not None:
            found[-1].append(step)
        else:
            found.append([step])
    return [_joined(group, squash) for group in found]


def rewrite(store: ObjectStore, base: str, todo: Sequence[Step]) -> str:
    """Makes the commits on `base`; the last one's id. A person's commit that stays where it was stays itself."""
    parent = base
    for step in todo:
        body = store.read(step.commit, "commit")
        head, _, message = body.partition(b"\n\n")
        lines, parents, signature = [], 0, False
        for line in head.split(b"\n"):
            # A signature was made over another parent; it goes on in lines that begin with a space.
            signature = line.startswith(b"gpgsig") or (signature and line.startswith(b" "))
            if signature:
                continue
            if line.startswith(b"parent "):
                parents += 1
                if parents == 1:
                    if step.message is None and line == b"parent " + parent.encode():
                        break
                    line = b"parent " + parent.encode()
            lines.append(line)
        else:
            text = message if step.message is None else step.message.encode("utf-8", "replace")
            parent = store.add("commit", b"\n".join(lines) + b"\n\n" + text)
            continue
        parent = step.commit
    return parent


def check_name(branch: str, main: str) -> str:
    """The ref of a branch that may be written. Raises WorkspaceError for a name that is autogit's or git's."""
    ref = f"refs/heads/{branch}"
    if ref == main or branch.startswith(("exp/", "-")) or branch == "HEAD" or not branch:
        raise WorkspaceError(f"{branch!r} cannot be the branch's name: it is autogit's or git's own; choose another")
    return ref


def _joined(group: Sequence[Step], squash: str | None) -> Step:
    last = group[-1]
    if squash is None or len(group) == 1:
        return last
    bodies = "\n".join(f"- {(step.message or '').splitlines()[0]}" for step in group)
    return Step(last.commit, f"{len(group)} {squash}\n\n{bodies}\n")
