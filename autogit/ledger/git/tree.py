"""A tree object: the names in one folder, each with its mode and the object that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

FILE, EXECUTABLE, LINK, FOLDER, MODULE = b"100644", b"100755", b"120000", b"40000", b"160000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree."""

    mode: bytes
    id: str

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER


Tree = dict[bytes, Entry]


def parse_tree(body: bytes, id_bytes: int) -> Tree:
    """Returns the entries of a tree object of a repository whose ids have so many bytes."""
    tree: Tree = {}
    position = 0
    while position < len(body):
        space = body.index(b" ", position)
        end = body.index(b"\0", space)
        tree[body[space + 1 : end]] = Entry(body[position:space], body[end + 1 : end + 1 + id_bytes].hex())
        position = end + 1 + id_bytes
    return tree


def format_tree(tree: Tree) -> bytes:
    """The tree object of `tree`, in git's order: a folder sorts as if its name ended in a slash."""
    names = sorted(tree, key=lambda name: name + b"/" if tree[name].is_folder else name)
    return b"".join(b"%s %s\0" % (tree[name].mode, name) + bytes.fromhex(tree[name].id) for name in names)
