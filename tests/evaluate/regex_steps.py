"""Counts the steps in which a regular expression is matched, as the standard library's backtracking matcher takes them.

A clock would tell of the machine; this tells of the pattern. Groups are matched, not kept: no pattern here refers back.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]


class Counter:
    """Matches one pattern on one text, and counts."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self.tree = parser.parse(pattern.pattern, pattern.flags).data
        self.text = text
        self.fold = bool(pattern.flags & re.IGNORECASE)
        self.count = 0
        self.known: dict[tuple[int, str], bool] = {}

    def scan(self) -> int:
        """As `finditer` does: from the left, on from the end of each match."""
        at = 0
        while at <= len(self.text):
            end = next(self.match(self.tree, 0, at), None)
            at = at + 1 if end is None or end == at else end
        return self.count

    def one(self, node: tuple[object, object], at: int) -> bool:
        """Whether a node that takes one character takes the one at `at`."""
        self.count += 1
        if at >= len(self.text):
            return False
        key = id(node), self.text[at]
        if key not in self.known:
            self.known[key] = re.match(_single(*node), self.text[at], re.I if self.fold else 0) is not None
        return self.known[key]

    def match(self, tree: Sequence, place: int, at: int) -> Iterator[int]:
        """The ends of what matches `tree[place:]` at `at`, in the matcher's order."""
        self.count += 1
        tree = getattr(tree, "data", tree)
        if place == len(tree):
            yield at
            return
        kind, value = tree[place]
        if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.CATEGORY):
            if self.one(tree[place], at):
                yield from self.match(tree, place + 1, at + 1)
        elif kind is op.BRANCH:
            for arm in value[1]:
                for end in self.match(arm, 0, at):
                    yield from self.match(tree, place + 1, end)
        elif kind is op.SUBPATTERN:
            for end in self.match(value[3], 0, at):
                yield from self.match(tree, place + 1, end)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            yield from self.repeat(tree, place, at)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            direction, inner = value
            start = at if direction > 0 else at - inner.getwidth()[0]
            found = start >= 0 and next(self.match(inner, 0, start), None) is not None
            if found == (kind is op.ASSERT):
                yield from self.match(tree, place + 1, at)
        elif kind is op.AT:
            if self.stands(value, at):
                yield from self.match(tree, place + 1, at)
        else:
            raise NotImplementedError(kind)

    def repeat(self, tree: Sequence, place: int, at: int) -> Iterator[int]:
        """A greedy or a lazy repetition."""
        kind, (least, most, inner) = tree[place]
        ends = [at]
        greedy = kind is op.MAX_REPEAT
        while True:
            if not greedy and len(ends) > least:
                yield from self.match(tree, place + 1, ends[-1])
            if len(ends) > most:
                break
            # Only the first way of each turn is walked: alternatives within a turn are disjoint in all patterns here.
            end = next(self.match(inner, 0, ends[-1]), None)
            if end is None or end == ends[-1]:
                break
            ends.append(end)
        while greedy and len(ends) > least:
            yield from self.match(tree, place + 1, ends.pop())

    def stands(self, where: object, at: int) -> bool:
        if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0
        if where in (op.AT_END, op.AT_END_STRING):
            return at == len(self.text)
        word = [0 <= i < len(self.text) and (self.text[i].isalnum() or self.text[i] == "_") for i in (at - 1, at)]
        return (word[0] != word[1]) == (where is op.AT_BOUNDARY)


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _single(kind: object, value: object) -> str:
    """The text of a pattern for one character."""
    if kind is op.LITERAL:
        return re.escape(chr(value))  # type: ignore[arg-type]
    if kind is op.NOT_LITERAL:
        return f"[^{re.escape(chr(value))}]"  # type: ignore[arg-type]
    if kind is op.ANY:
        return "."
    if kind is op.CATEGORY:
        return _CATEGORIES[value]
    parts = ""
    for inner, item in value:  # type: ignore[attr-defined]
        if inner is op.NEGATE:
            parts += "^"
        elif inner is op.RANGE:
            parts += f"{re.escape(chr(item[0]))}-{re.escape(chr(item[1]))}"
        elif inner is op.CATEGORY:
            parts += _CATEGORIES[item]
        else:
            parts += re.escape(chr(item))
    return f"[{parts}]"


def steps(pattern: re.Pattern[str], text: str) -> int:
    """The steps of finding every match of `pattern` in `text`."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        return Counter(pattern, text).scan()
    finally:
        sys.setrecursionlimit(limit)
