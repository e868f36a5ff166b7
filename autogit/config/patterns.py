"""A structural change of code, declared in TOML: what to find in the syntax tree, and what to put there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """One search on the syntax tree, in ast-grep's words: `$X` stands for one node, `$$$X` for any number of them."""

    find: str
    replace: str | None = None
    """What stands for it afterwards, with the found `$X` filled in."""
    before: str = ""
    """Code put on lines of its own before the statement that was found."""
    after: str = ""
    """The same, after it."""
    inside: str = ""
    """Looks only within what this finds."""
    first: bool = False
    """Only the first place, where there are several."""
    optional: bool = False
    """The pattern applies also where this edit finds nothing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Edits that belong together: each of them has to find its place, or none is made."""

    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """`[[pattern]]`: a named change and the reason to believe in it. The first variant that applies is used."""

    name: str
    title: str
    source: str
    """Where it comes from: a paper, a project."""
    edits: tuple[Edit, ...] = ()
    """The only variant, or the first one."""
    variant: tuple[Variant, ...] = ()
    """Further ones, for code that is written in another way."""
    why: str = ""
    adopted: tuple[str, ...] = ()
    """Published recipes that use it: what more of them use is tried sooner."""
    unless: tuple[str, ...] = ()
    """Code that makes the change pointless: it has been made already."""
    needs: tuple[str, ...] = ()
    """Import statements that the new code needs."""

    @property
    def rationale(self) -> str:
        """Why it may help, and who says so."""
        return f"{self.why} ({self.source})".strip()

    @property
    def variants(self) -> tuple[tuple[Edit, ...], ...]:
        """All variants, in order."""
        return tuple(edits for edits in (self.edits, *(v.edits for v in self.variant)) if edits)
