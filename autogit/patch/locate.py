"""Where hunks belong: by their text, in one place only, never by a guess.

Four strengths, tried in this order: the same text; the same but for trailing blanks; the same but for one indentation
that all lines have more or less of; the same but for its spelling (spelling.py). Stated line numbers are not evidence,
with one exception: where every number of a file's part holds (counts, old starts, new starts, and the text at them),
the diff is undamaged and means what it says. Where they almost hold they are evidence against another place (doubt.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autogit.errors import PatchError
from autogit.patch.doubt import doubt
from autogit.patch.hunk import FilePatch, Hunk, Line, Sign
from autogit.patch.nearest import excerpt, nearest
from autogit.patch.source import BOM, Fit, Source
from autogit.patch.spelling import folded, respelled


def locate(patch: FilePatch, source: Source, path: str) -> tuple[Fit, ...]:
    """The one place of each hunk. Raises PatchError, with what is nearest, where there is none or more than one."""
    hunks = [_without_bom(hunk, path) for hunk in patch.hunks] if source.bom else list(patch.hunks)
    if stated := _as_stated(hunks, source):
        return stated
    index = _Index(source)
    places = [_places(hunk, index, f"{path}: hunk {n} of {len(hunks)}") for n, hunk in enumerate(hunks, 1)]
    places = [_below_headings(fits, source) if len(fits) > 1 else fits for fits in places]
    if patch.ordered and any(len(fits) > 1 for fits in places):
        places = _in_order(places)
    for n, (hunk, fits) in enumerate(zip(hunks, places, strict=True), 1):
        if len(fits) > 1:
            lines = ", ".join(str(fit.start + 1) for fit in fits[:6]) + (", ..." if len(fits) > 6 else "")
            raise PatchError(
                f"{path}: hunk {n} of {len(hunks)} fits {len(fits)} places (lines {lines}); give more lines around it",
                f"{hunk}\n\n" + "\n\n".join(excerpt(source.lines, fit.start, fit.stop) for fit in fits[:3]),
            )
    found = tuple(fits[0] for fits in places)
    doubt(patch.claims, found, source.lines, path)
    return found


def _as_stated(hunks: Sequence[Hunk], source: Source) -> tuple[Fit, ...]:
    """Every hunk where its numbers say, if all of them prove right; else nothing."""
    shift = 0
    fits: list[Fit] = []
    if not any(line.text.strip() for hunk in hunks for line in hunk.old):
        return ()
    for hunk in hunks:
        numbers = hunk.numbers
        if numbers is None or not hunk.counted:
            return ()
        # A side without lines is numbered by the line before it.
        start = numbers.old_start - (numbers.old_count > 0)
        new_start = numbers.new_start - (numbers.new_count > 0)
        there = source.lines[start : start + numbers.old_count]
        if start + shift != new_start or there != tuple(line.text for line in hunk.old):
            return ()
        if fits and start < fits[-1].stop:
            return ()
        fits.append(Fit(hunk, start))
        shift += numbers.new_count - numbers.old_count
    return tuple(fits)


class _Index:
    """A file's lines, and where each text stands, whatever its indentation and trailing blanks."""

    def __init__(self, source: Source) -> None:
        self.lines = source.lines
        self.bare = [line.rstrip(" \t") for line in source.lines]
        self.where: dict[str, list[int]] = {}
        for number, line in enumerate(self.bare):
            self.where.setdefault(line.lstrip(" \t"), []).append(number)

    def candidates(self, old: Sequence[Line]) -> Iterator[int]:
        """Starts at which the rarest line of `old` would stand right, indentation aside."""
        found = [(self.where.get(line.text.strip(" \t"), []), offset) for offset, line in enumerate(old)]
        places, offset = min(found, key=lambda pair: len(pair[0]))
        for place in places:
            if 0 <= place - offset <= len(self.lines) - len(old):
                yield place - offset


def _places(hunk: Hunk, index: _Index, label: str) -> list[Fit]:
    """All places of a hunk at the greatest strength that has any."""
    if not any(line.bare for line in hunk.old):
        if not index.lines:
            return [Fit(hunk, 0)] if not hunk.old else []
        raise PatchError(
            f"{label} adds lines without any line of the file around them; give the lines above and below", str(hunk)
        )
    fits = list(_same_text(hunk, index))
    if not fits:
        fits = [*_without_first_column(hunk, index), *_same_but_for_indent(hunk, index)]
        fits = list({(fit.start, fit.hunk.changed): fit for fit in fits}.values())
    elif len(fits) == 1 and hunk.numbers and hunk.numbers.old_start != fits[0].start + 1:
        # The stated line has it at another indentation: one of the two is damaged, and nothing tells which.
        rivals = [fit for fit in _same_but_for_indent(hunk, index) if fit.start + 1 == hunk.numbers.old_start]
        fits += rivals
    fits = fits or list(_respelled(hunk, index))
    if not fits:
        raise PatchError(f"{label} matches nothing in the file", nearest(hunk, index.lines))
    return fits


def _same_text(hunk: Hunk, index: _Index) -> Iterator[Fit]:
    old = hunk.old
    if not old:
        return
    texts = [line.bare for line in old]
    for start in index.candidates(old):
        if index.bare[start : start + len(old)] == texts:
            there = index.lines[start : start + len(old)]
            grown = any(len(line.text) > len(real) and line.bare for line, real in zip(old, there, strict=True))
            yield Fit(_without_trailing_blanks(hunk) if grown else hunk, start)


def _without_first_column(hunk: Hunk, index: _Index) -> Iterator[Fit]:
    sure = _removes(hunk) or not all(line.marked or not line.text for line in hunk.old)
    for fit in _same_text(hunk.unmarked(), index):
        if sure or _aligned(fit.hunk, index.lines[fit.start : fit.stop]):
            yield fit


def _same_but_for_indent(hunk: Hunk, index: _Index) -> Iterator[Fit]:
    old = hunk.old
    for start in index.candidates(old):
        drift = _drift([line.bare for line in old], index.bare[start : start + len(old)])
        if drift is None or not (moved := _indented(hunk, *drift)):
            continue
        # Context that is one column off may have lost or doubled its first column; then what is added is not off.
        sure = len(drift[0] + drift[1]) > 1 or _removes(hunk)
        if sure or _aligned(moved, index.lines[start : start + len(old)]):
            yield Fit(moved, start)


def _respelled(hunk: Hunk, index: _Index) -> Iterator[Fit]:
    """The places whose lines are the hunk's in another spelling."""
    keys = [folded(line.text) for line in hunk.old]
    if not any(any(c.isalnum() for c in key) for key in keys):
        return
    found = [folded(line) for line in index.lines]
    for start in range(len(found) - len(keys) + 1):
        if found[start : start + len(keys)] == keys:
            moved = respelled(hunk, index.lines[start : start + len(keys)], index.lines)
            if moved is not None:
                yield Fit(moved, start)


def _removes(hunk: Hunk) -> bool:
    return any(line.sign is Sign.REMOVED and line.bare for line in hunk.lines)


def _aligned(hunk: Hunk, there: Sequence[str]) -> bool:
    """Whether what is added begins in a column in which a line around it begins."""
    added = next((line.text for line in hunk.lines if line.sign is Sign.ADDED and line.bare), "")
    return _indent(added) in {_indent(line) for line in there if line.strip()}


def _drift(said: Sequence[str], real: Sequence[str]) -> tuple[str, str] | None:
    """What every line lacks and what every line has too much of in front; None where they do not agree on it."""
    pairs = [(a, b) for a, b in zip(said, real, strict=True) if a or b]
    if any(not a or not b for a, b in pairs):
        return None
    first, second = (_indent(text) for text in pairs[0])
    lacks = second.removesuffix(first) if second.endswith(first) else ""
    excess = first.removesuffix(second) if first.endswith(second) and not lacks else ""
    if not (lacks or excess) or not all(lacks + a == excess + b for a, b in pairs):
        return None
    return lacks, excess


def _indented(hunk: Hunk, lacks: str, excess: str) -> Hunk | None:
    """The hunk with its lines moved; None where a line cannot give up the excess."""
    if any(line.bare and not line.text.startswith(excess) for line in hunk.lines):
        return None
    return replace(
        hunk,
        lines=tuple(
            replace(line, text=lacks + line.text.removeprefix(excess)) if line.bare else line for line in hunk.lines
        ),
    )


def _without_trailing_blanks(hunk: Hunk) -> Hunk:
    return replace(hunk, lines=tuple(replace(line, text=line.bare) for line in hunk.lines))


def _without_bom(hunk: Hunk, path: str) -> Hunk:
    """The hunk without the mark before its text, which few writers know of; the file keeps it."""
    if {line.sign for line in hunk.lines if line.text.startswith(BOM)} == {Sign.REMOVED}:
        raise PatchError(f"{path}: takes away the file's byte order mark; a proposal leaves it")
    return replace(hunk, lines=tuple(replace(line, text=line.text.removeprefix(BOM)) for line in hunk.lines))


def _below_headings(fits: list[Fit], source: Source) -> list[Fit]:
    """Those places that lie below what the hunk's headers say, if any does."""
    return [fit for fit in fits if all(_heads(h, fit.start, source.lines) for h in fit.hunk.headings)] or fits


def _heads(heading: str, start: int, lines: Sequence[str]) -> bool:
    """Whether a heading is what git would print for this place, or one of the blocks around it."""
    depth: int | None = None
    definition = unindented = False
    for line in reversed(lines[:start]):
        text = line.strip()
        if not text:
            continue
        indent = len(_indent(line))
        around = depth is None or indent < depth
        defines = re.match(r"(async\s+def|def|class)\b", text) is not None
        if (around or (defines and not definition) or (indent == 0 and not unindented)) and _begins(text, heading):
            return True
        depth = min(indent, depth) if depth is not None else indent
        definition |= defines
        unindented |= indent == 0 and (text[0].isalpha() or text[0] in "_$")
        if unindented and definition and depth == 0:
            return False
    return False


def _begins(text: str, heading: str) -> bool:
    # git cuts a heading off at 80 bytes.
    cut = len(heading.encode()) >= 76
    return text.startswith(heading) and (cut or re.match(r"\w", text[len(heading) :]) is None)


def _in_order(places: list[list[Fit]]) -> list[list[Fit]]:
    """The places of the only way to put all hunks one below the other; unchanged where there are more ways or none."""
    spans = [[(fit, *_span(fit)) for fit in fits] for fits in places]
    ways: list[list[int]] = [[1] * len(spans[-1])]
    for upper, lower in zip(reversed(spans[:-1]), reversed(spans[1:]), strict=True):
        after = ways[0]
        ways.insert(
            0,
            [
                min(2, sum(n for n, (_, low, _) in zip(after, lower, strict=True) if low >= high))
                for _, _, high in upper
            ],
        )
    if sum(ways[0]) != 1:
        return places
    chosen, at = [], -1
    for options, counts in zip(spans, ways, strict=True):
        fit, _, at = next((o for o, n in zip(options, counts, strict=True) if n and o[1] >= at))
        chosen.append([fit])
    return chosen


def _span(fit: Fit) -> tuple[int, int]:
    edits = list(fit.edits())
    return edits[0].low, edits[-1].high


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
