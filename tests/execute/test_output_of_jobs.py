from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogit.execute.output import HEAD, LAST_WORDS, LINE, TAIL, Drain, Line, Lines, Log


def cut(*pieces: bytes) -> list[Line]:
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)] + list(lines.end())


def logged(*pieces: bytes, **sizes: int) -> str:
    log = Log(**sizes)
    for line in cut(*pieces):
        log.add(line)
    return log.text()


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_where_output_is_cut_on_the_way_does_not_matter(data: bytes, places: list[int]) -> None:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    assert cut(*pieces) == cut(data)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"])), max_size=20))
def test_plain_text_comes_through_unchanged(texts: list[str]) -> None:
    data = "".join(f"{text}\n" for text in texts).encode()
    assert [line.text for line in cut(data)] == texts
    assert logged(data) == data.decode()


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"1%\r2%\r3%\n", ["1%", "2%", "3%"]),
        (b"\xff\xfe ok\n", ["�� ok"]),
        (b"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\n", ["red link"]),
        (b"a\x00b\x08c\td\n", ["abc\td"]),
    ],
)
def test_lines(raw: bytes, lines: list[str]) -> None:
    assert [line.text for line in cut(raw)] == lines


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\r 50%\r100%\ndone\n", "100%\ndone\n"),
        (b"50%\rEpoch 1\n", "Epoch 1\n"),
        (b"50%\r100%\r\ndone\n", "100%\ndone\n"),
        (b"50%\r75%", "75%\n"),
        (b"50%\r75%\r", "75%\n"),
    ],
)
def test_of_a_progress_bar_the_last_state_is_logged(raw: bytes, text: str) -> None:
    assert logged(raw) == text


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(50, 400), st.integers(50, 400))
def test_a_log_is_head_and_tail_of_what_was_printed(lengths: list[int], head: int, tail: int) -> None:
    lines = [f"{number}:".ljust(length, "x") for number, length in enumerate(lengths)]
    whole = "".join(f"{line}\n" for line in lines)
    text = logged(whole.encode(), head=head, tail=tail)
    mark = re.search(r"^\[\.\.\. (\d+) lines, (\d+) bytes left out \.\.\.\]\n", text, re.MULTILINE)
    if mark is None:
        assert text == whole
        return
    before, after = text[: mark.start()], text[mark.end() :]
    assert whole.startswith(before) and whole.endswith(after)
    assert len(before) <= head and len(after) <= tail
    assert len(before) + int(mark[2]) + len(after) == len(whole)
    assert len(before.splitlines()) + int(mark[1]) + len(after.splitlines()) == len(lines)


def test_an_endless_line_costs_no_memory() -> None:
    lines = Lines()
    for _ in range(1000):
        assert list(lines.feed(b"x" * 65536)) == []
        assert len(lines._rest) <= 2 * LINE + 65536
    (line,) = lines.feed(b"\n")
    assert line.text.endswith(f"x [... {1000 * 65536 - LINE} bytes of this line]")


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 3))
def test_what_is_not_read_ends_with_whole_last_lines(pieces: list[bytes], blocks: int) -> None:
    drain = Drain()
    whole = b"".join([b"y" * LAST_WORDS + b"\n"] * blocks + pieces)
    for piece in [b"y" * LAST_WORDS + b"\n"] * blocks + pieces:
        drain.feed(piece)
    assert drain.size == len(whole)
    end = drain.end()
    assert whole.endswith(end) and len(end) <= LAST_WORDS
    assert end == whole if len(whole) <= LAST_WORDS else end.count(b"\n") == whole[-LAST_WORDS:].count(b"\n") - 1


def test_a_log_fits_a_note() -> None:
    text = logged(b"0123456789\n" * 100_000)
    assert HEAD + TAIL - 30 <= len(text) <= HEAD + TAIL + 100
