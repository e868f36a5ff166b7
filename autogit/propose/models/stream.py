"""Reads what a server sends for one call, in whatever shape: nothing it may send raises an error.

Understood are streams of OpenAI's chat protocol and what servers make of it: content as a list of parts, null in any
place, usage that is partial or quoted, whole answers that are not streamed, errors with status 200.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_BYTES = 64 << 20
"""Bytes of one response that are read: no answer is longer."""
MAX_DEPTH = 20
"""Levels of lists and tables in one event that are looked into."""
MAX_TOKENS = 1_000_000_000
"""A count of tokens above it is nonsense, and is taken as not told."""
UNREAD_CHARACTERS = 400
"""Characters that are kept of a response that is no answer, for the message."""
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""Reasons to finish that mean that the text is not whole."""

_INPUT = ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokenCount")
_OUTPUT = ("completion_tokens", "output_tokens", "eval_count", "candidatesTokenCount")
_TOTAL = ("total_tokens", "totalTokenCount")
_THOUGHT = ("reasoning_content", "reasoning", "thinking", "thought")
_FINISH = ("finish_reason", "stop_reason", "done_reason", "finishReason")


@dataclass(slots=True)
class ServerError:
    """An error that a server sent in the body of a response with status 200."""

    message: str
    code: str = ""
    """Its code or kind, in the server's own words or as an HTTP status."""


@dataclass(slots=True)
class Received:
    """What has come of one response so far."""

    parts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    thought: int = 0
    """Characters of reasoning that were sent apart from the answer."""
    tools: bool = False
    """Whether the model called a tool, though it was offered none."""
    finish: str = ""
    """Why the answer ended, in the server's words; empty if it did not say."""
    done: bool = False
    """Whether the server marked the end of the stream."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: ServerError | None = None
    unread: str = ""
    """The beginning of what is no part of any answer."""
    given_up: bool = False
    """Whether nobody waits for the rest."""

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.parts)

    @property
    def refusal(self) -> str:
        """What the model said in place of an answer."""
        return "".join(self.refusals)

    @property
    def cut(self) -> bool:
        """Whether the answer reached the limit of its length."""
        return self.finish.lower() in CUT


class Reader:
    """Takes the bytes of one response as they come; `received` is what has been understood."""

    def __init__(self, received: Received | None = None) -> None:
        self.received = received or Received()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._data: list[str] = []
        self._plain: list[str] = []
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Takes the next bytes, which may end anywhere."""
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            self.received.error = ServerError(f"more than {MAX_BYTES >> 20} MiB in one response")
            self.received.given_up = True
            return
        lines = (self._line + self._decoder.decode(data)).split("\n")
        self._line = lines.pop()
        for line in lines:
            self._take_line(line.removesuffix("\r"))

    def close(self) -> None:
        """The response has ended; a body that was no stream is read now."""
        self._take_line((self._line + self._decoder.decode(b"", True)).removesuffix("\r"))
        self._line = ""
        self._end_event()
        body = "\n".join(self._plain).strip()
        self._plain.clear()
        if not body:
            return
        value, parsed = _parsed(body)
        if parsed:
            self._take(value, MAX_DEPTH)
            return
        for line in body.split("\n"):
            value, parsed = _parsed(line)
            if parsed:
                self._take(value, MAX_DEPTH)
            elif line.strip():
                self._leave(line)

    # ---- lines

    def _take_line(self, line: str) -> None:
        name, colon, value = line.partition(":")
        if not line.strip():
            self._end_event()
        if colon and name == "data":
            value = value.removeprefix(" ")
            single, parsed = _parsed(value)
            if value.strip() == "[DONE]":
                self.received.done = True
            elif parsed and not self._data:
                # Some servers leave out the blank line between two events.
                self._take(single, MAX_DEPTH)
            else:
                self._data.append(value)
        elif not (colon and name in ("", "event", "id", "retry")):
            self._plain.append(line)

    def _end_event(self) -> None:
        """An event of several lines is whole."""
        text = "\n".join(self._data)
        self._data.clear()
        if text.strip():
            value, parsed = _parsed(text)
            if parsed:
                self._take(value, MAX_DEPTH)
            else:
                self._leave(text)

    def _leave(self, text: str) -> None:
        room = UNREAD_CHARACTERS - len(self.received.unread)
        if room > 0:
            self.received.unread += (" " if self.received.unread else "") + " ".join(text.split())[:room]

    # ---- events

    def _take(self, value: object, depth: int) -> None:
        if depth == 0:
            return
        if isinstance(value, str):
            self._leave(value)
        elif isinstance(value, Sequence):
            for each in value:
                self._take(each, depth - 1)
        elif isinstance(value, Mapping):
            self._take_event(value, depth)

    def _take_event(self, event: Mapping[str, object], depth: int) -> None:
        if (error := _error(event)) is not None:
            self.received.error = self.received.error or error
        self._take_usage(event)
        choices = event.get("choices")
        if isinstance(choices, Mapping):
            choices = [choices]
        if isinstance(choices, Sequence) and not isinstance(choices, str):
            for choice in choices:
                if isinstance(choice, Mapping) and choice.get("index") in (None, 0, "0"):
                    self._take_choice(choice, depth - 1)
                    break
        else:
            self._take_choice(event, depth - 1)
        if event.get("done") is True:
            self.received.done = True

    def _take_choice(self, choice: Mapping[str, object], depth: int) -> None:
        for key in _FINISH:
            if isinstance(finish := choice.get(key), str) and finish:
                self.received.finish = finish
        delta = choice.get("delta")
        if _says(delta):
            self._take_message(delta, depth)
            return
        whole = Received()
        for key in ("message", "text", "content", "output_text"):
            if _says(choice.get(key)):
                whole = _message(choice[key], key, depth)
                break
        # A server that sends the whole message behind its pieces says nothing new.
        if whole.text and self.received.text and whole.text.startswith(self.received.text):
            whole.parts = [whole.text.removeprefix(self.received.text)]
        self._add(whole)

    def _take_message(self, message: object, depth: int) -> None:
        self._add(_message(message, "", depth))

    def _add(self, more: Received) -> None:
        received = self.received
        received.parts += more.parts
        received.refusals += more.refusals
        received.thought += more.thought
        received.tools |= more.tools

    def _take_usage(self, event: Mapping[str, object]) -> None:
        groq, message = event.get("x_groq"), event.get("message")
        for holder in (event, groq, message):
            if isinstance(holder, Mapping):
                for table in (holder.get("usage"), holder.get("usageMetadata"), holder):
                    if isinstance(table, Mapping):
                        self._count(table)

    def _count(self, table: Mapping[str, object]) -> None:
        sent, received, total = (_first(table, names) for names in (_INPUT, _OUTPUT, _TOTAL))
        if total is not None and sent is not None and received is None and total >= sent:
            received = total - sent
        if total is not None and received is not None and sent is None and total >= received:
            sent = total - received
        self.received.input_tokens = sent if sent is not None else self.received.input_tokens
        self.received.output_tokens = received if received is not None else self.received.output_tokens


def _message(message: object, key: str, depth: int) -> Received:
    """The words of one message, or of a piece of one."""
    found = Received()
    if not isinstance(message, Mapping) or key in ("text", "content", "output_text"):
        _content(message, found, depth)
        return found
    content = message.get("content")
    _content(message.get("text") if content is None else content, found, depth)
    for name in _THOUGHT:
        if isinstance(thought := message.get(name), str) and thought:
            found.thought += len(thought)
            break
    if isinstance(refusal := message.get("refusal"), str):
        found.refusals.append(refusal)
    found.tools = bool(message.get("tool_calls") or message.get("function_call"))
    return found


def _content(content: object, found: Received, depth: int) -> None:
    """A text, a part with a text, or a list of both; parts that hold thoughts are counted and left."""
    if depth == 0:
        return
    if isinstance(content, str):
        found.parts.append(content)
    elif isinstance(content, Mapping):
        kind = content.get("type")
        if isinstance(kind, str) and kind.lower() in ("thinking", "reasoning", "redacted_thinking", "thought"):
            inner = Received()
            for name in ("thinking", "reasoning", "text", "content", "summary"):
                _content(content.get(name), inner, depth - 1)
            found.thought += len(inner.text)
            return
        for name in ("text", "content", "value"):
            if content.get(name) is not None:
                _content(content[name], found, depth - 1)
                return
    elif isinstance(content, Sequence):
        for each in content:
            _content(each, found, depth - 1)


def _says(value: object) -> bool:
    return isinstance(value, str | Mapping | Sequence) and bool(value)


def _error(event: Mapping[str, object]) -> ServerError | None:
    error = event.get("error")
    if not error and event.get("object") == "error":
        error = event
    if not error and "choices" not in event and isinstance(event.get("detail"), str):
        error = event.get("detail")
    if not error:
        return None
    if not isinstance(error, Mapping):
        return ServerError(str(error)[:UNREAD_CHARACTERS])
    message = error.get("message") or error.get("detail") or error.get("type") or "an error without words"
    codes = (error.get(name) for name in ("code", "status", "type"))
    code = next((str(each) for each in codes if isinstance(each, str | int) and each), "")
    return ServerError(str(message)[:UNREAD_CHARACTERS], code[:100])


def _first(table: Mapping[str, object], names: Sequence[str]) -> int | None:
    return next((count for name in names if (count := _tokens(table.get(name))) is not None), None)


def _tokens(value: object) -> int | None:
    """A count of tokens as a number, also if it is quoted; None if it is none."""
    if isinstance(value, str):
        try:
            value = float(value.strip().replace(",", "").replace("_", ""))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and 0 <= value <= MAX_TOKENS else None


def _parsed(text: str) -> tuple[object, bool]:
    """The JSON value of a text, and whether it is one."""
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):
        return None, False
