"""What a job prints: bytes to lines, and lines to a log of bounded size, whatever comes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from autogit.wording import left_out

HEAD = 32 * 1024
"""Bytes of the log that are kept from its beginning,"""
TAIL = 96 * 1024
"""and from its end."""
LINE = 16 * 1024
"""Bytes of one line that are read; the rest of it is skipped."""
LAST_WORDS = 64 * 1024
"""Bytes at the very end that are read even after a job has printed more than is read: a summary, a traceback."""

_SEPARATORS = re.compile(rb"\r\n|\n|\r")
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # strings: window titles, links
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output without its end: no escape sequences, no control characters, undecodable bytes replaced."""

    text: str
    passing: bool = False
    """Ended by a carriage return: the next line is written over it (a progress bar)."""


class Lines:
    """Cuts output into lines as it comes."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipped = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that `data` completes."""
        data = self._rest + data
        # A carriage return at the very end may be half of a line's end.
        whole = data[:-1] if data.endswith(b"\r") else data
        begin = 0
        for separator in _SEPARATORS.finditer(whole):
            yield self._line(data[begin : separator.start()], passing=separator.group() == b"\r")
            begin = separator.end()
        self._rest = data[begin:]
        if len(self._rest) > 2 * LINE:
            self._skipped += len(self._rest) - LINE - 1
            self._rest = self._rest[:LINE] + self._rest[-1:]

    def end(self) -> Iterator[Line]:
        """The last line, where the output did not end with a line's end."""
        if self._rest:
            yield self._line(self._rest.removesuffix(b"\r"), passing=self._rest.endswith(b"\r"))
        self._rest = b""

    def _line(self, raw: bytes, passing: bool) -> Line:
        skipped = self._skipped + max(0, len(raw) - LINE)
        self._skipped = 0
        text = _CONTROLS.sub("", _ESCAPES.sub("", raw[:LINE].decode("utf-8", errors="replace")))
        return Line(f"{text} [... {skipped} bytes of this line]" if skipped else text, passing)


class Log:
    """Head and tail of all lines, with a word on what lies between."""

    def __init__(self, head: int = HEAD, tail: int = TAIL) -> None:
        self._room = head
        self._most = tail
        self._head: list[str] = []
        self._tail: deque[tuple[str, int]] = deque()
        self._held = 0
        self._left_out = [0, 0]
        self._passing = ""

    def add(self, line: Line) -> None:
        """Adds a line; over a passing one the next is written, unless it is empty."""
        if line.passing:
            self._passing = line.text or self._passing
            return
        text, self._passing = line.text or self._passing, ""
        self._keep(text)

    def leave_out(self, size: int) -> None:
        """Notes that `size` bytes were not read."""
        self._room = 0
        self._left_out[1] += size

    def text(self) -> str:
        """The log, ending with a newline unless it is empty."""
        lines = list(self._head)
        number, size = self._left_out
        if size:
            lines.append(left_out(size, number))
        lines += [text for text, _ in self._tail]
        if self._passing:
            lines.append(self._passing)
        return "".join(f"{line}\n" for line in lines)

    def _keep(self, text: str) -> None:
        size = len(text.encode()) + 1
        if size <= self._room:
            self._room -= size
            self._head.append(text)
            return
        self._room = 0  # What follows a gap is no longer the head.
        self._tail.append((text, size))
        self._held += size
        while self._held > self._most:
            _, gone = self._tail.popleft()
            self._held -= gone
            self._left_out[0] += 1
            self._left_out[1] += gone


class Drain:
    """Takes output that is no longer read, and remembers its end."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Swallows `data`."""
        self.size += len(data)
        self._held += len(data)
        self._pieces.append(data)
        while self._held - len(self._pieces[0]) >= LAST_WORDS:
            self._held -= len(self._pieces.popleft())

    def end(self) -> bytes:
        """The last whole lines, at most LAST_WORDS bytes."""
        data = b"".join(self._pieces)[-LAST_WORDS:]
        if self.size <= LAST_WORDS:
            return data
        return data.partition(b"\n")[2]
