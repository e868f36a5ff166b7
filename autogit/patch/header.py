"""The lines of a diff that name a file: what they say of its path, and what of its kind and mode."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autogit.errors import PatchError
from autogit.patch.hunk import Kind

NULL = "/dev/null"
REGULAR = "100644"
_MODES = {"120000": "a symbolic link", "160000": "a submodule", "100755": "an executable file", "040000": "a folder"}
_ENVELOPE = re.compile(r"\*\*\* (Update|Add|Delete) File: +(.+)")
_EXTENDED = re.compile(
    r"(old mode|new mode|new file mode|deleted file mode|index [0-9a-f]{4,}\.\.[0-9a-f]{4,}) (\d{6})$"
)
_FORBIDDEN = {
    "rename from": "renames a file; delete the one and add the other instead",
    "rename to": "renames a file; delete the one and add the other instead",
    "copy from": "copies a file; add it with its content instead",
    "copy to": "copies a file; add it with its content instead",
    "*** Move to:": "renames a file; delete the one and add the other instead",
    "GIT binary patch": "changes a binary file",
    "Binary files ": "changes a binary file",
}


@dataclass(slots=True)
class Header:
    """A file's header, filled in line by line."""

    old: str | None = None
    new: str | None = None
    git: tuple[str, str] | None = None
    """Both names of a `diff --git` line."""
    kind: Kind = Kind.MODIFY
    enveloped: bool = False
    """Of the apply_patch format, in which lines with `***` stand between files."""

    def extend(self, line: str) -> bool:
        """Takes in one of git's extended header lines; False where it is none.

        Raises PatchError for what no proposal may do: modes, links, renames, binary content.
        """
        for start, problem in _FORBIDDEN.items():
            if line.startswith(start):
                raise PatchError(f"{self.label}: {problem}")
        if line.startswith(("similarity index", "dissimilarity index", "index ")) and not _EXTENDED.match(line):
            return True
        if not (found := _EXTENDED.match(line.rstrip())):
            return False
        word, mode = found.groups()
        if word in ("old mode", "new mode"):
            raise PatchError(f"{self.label}: changes the file's mode; a proposal changes contents only")
        if mode != REGULAR and (mode != "100755" or word == "new file mode"):
            what = _MODES.get(mode, "of an unknown kind")
            raise PatchError(
                f"{self.label}: is {what} (mode {mode}); a proposal has plain files of mode {REGULAR} only"
            )
        if word == "new file mode":
            self.kind = Kind.CREATE
        elif word == "deleted file mode":
            self.kind = Kind.DELETE
        return True

    @property
    def label(self) -> str:
        """A name for messages."""
        known = [n for n in (self.new, self.old, *(self.git or ())) if n and n != NULL]
        return known[0] if known else "the diff"

    def close(self) -> tuple[tuple[str, ...], Kind]:
        """What the path may be, and what becomes of the file. Raises PatchError for two names that are not one file."""
        old, new = self.old, self.new
        if old is None and new is None and self.git:
            old, new = self.git
        kind = Kind.CREATE if old == NULL else Kind.DELETE if new == NULL else self.kind
        sides = [side for side in (old, new) if side and side != NULL]
        if not sides:
            raise PatchError("a file header names no file; put `--- a/PATH` and `+++ b/PATH` above the first hunk")
        if NULL in (old, new) and self.git and (names := same_file(*self.git)):
            return names, kind
        if len(sides) == 1:
            return _one_sided(sides[0], "a/" if sides[0] is old else "b/"), kind
        if names := same_file(*sides):
            return names, kind
        raise PatchError(f"the header names two files, {old} and {new}: a proposal does not rename; say one path twice")


def named_pair(first: str, second: str) -> tuple[str, str] | None:
    """The two names of a `---` and a `+++` line; None where the lines are no such pair."""
    if first.startswith("--- ") and second.startswith("+++ "):
        old, new = name(first[4:]), name(second[4:])
        return (old, new) if old and new else None
    return None


def envelope(line: str) -> Header | None:
    """The header in a `*** Update File: PATH` line (the apply_patch format)."""
    if not (found := _ENVELOPE.match(line)):
        return None
    path = found[2].strip()
    kind = {"Update": Kind.MODIFY, "Add": Kind.CREATE, "Delete": Kind.DELETE}[found[1]]
    return Header(path, path, kind=kind, enveloped=True)


def git_names(line: str) -> tuple[str, str] | None:
    """Both names of a `diff --git` line; None where they cannot be told apart."""
    rest = line.removeprefix("diff --git ").strip()
    if quoted := re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', rest):
        return name(quoted[1]), name(quoted[2])
    cuts = [i for i, c in enumerate(rest) if c == " " and same_file(rest[:i], rest[i + 1 :])]
    return (rest[: cuts[0]], rest[cuts[0] + 1 :]) if len(cuts) == 1 else None


def name(text: str) -> str:
    """A path as it is written in a header: without a timestamp, out of git's quotes, without a leading "./"."""
    text = text.split("\t")[0].strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _unquote(text[1:-1])
    return text.removeprefix("./")


def same_file(old: str, new: str) -> tuple[str, ...]:
    """What the path may be if both names mean one file; nothing if they do not."""
    if old == new:
        return (old, old[2:]) if old.startswith(("a/", "b/")) and len(old) > 2 else (old,)
    (first, _, a), (second, _, b) = old.partition("/"), new.partition("/")
    # git writes a/ and b/, or one of i/ w/ c/ o/ under diff.mnemonicPrefix.
    return (a,) if a and a == b and len(first) == len(second) == 1 else ()


def _one_sided(path: str, prefix: str) -> tuple[str, ...]:
    return (path[2:], path) if path.startswith(prefix) and len(path) > 2 else (path,)


def _unquote(text: str) -> str:
    plain = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    out = bytearray()
    for part in re.findall(r"\\[0-7]{3}|\\.|[^\\]+|\\", text):
        if len(part) == 4 and part[0] == "\\" and part[1:].isdigit():
            out.append(int(part[1:], 8) & 0xFF)
        else:
            out += (plain.get(part[1:], part[1:]) if part[0] == "\\" else part).encode()
    return out.decode("utf-8", "replace")
