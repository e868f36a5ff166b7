"""A language model that plays a script, over real HTTP, in OpenAI's protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Say:
    """A streamed answer. `usage` None: the server does not tell it. `finish` None: the stream ends without a word."""

    text: str
    finish: str | None = "stop"
    usage: tuple[int, int] | None = (1000, 200)
    refusal: str = ""
    piece: int = 7
    """Characters of one chunk."""


@dataclass(frozen=True)
class Fail:
    """An answer that is an error."""

    status: int
    body: Mapping[str, Any] = field(default_factory=lambda: {"error": {"message": "no"}})
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """Closes the connection after having streamed `text`; before any byte where it is None."""

    text: str | None = None


@dataclass(frozen=True)
class Garble:
    """A stream that is not JSON."""


@dataclass(frozen=True)
class Hang:
    """Streams one chunk and then nothing until `release` is set."""

    release: threading.Event


@dataclass(frozen=True)
class Raw:
    """A body as it is, with status 200."""

    body: bytes
    kind: str = "text/event-stream"
    framed: bool = True
    """Whether HTTP says where the body ends; else the connection is closed there."""


Step = Say | Fail | Drop | Garble | Hang | Raw


@dataclass
class Request:
    """What was asked."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, str]]:
        return list(self.body["messages"])

    @property
    def last(self) -> str:
        return self.messages[-1]["content"]


class LlmServer:
    """Plays its steps one a request; the last one again and again. `answer` makes a step from the request instead."""

    def __init__(self, steps: Sequence[Step] = (), answer: Callable[[Request], Step] | None = None) -> None:
        self.steps = list(steps)
        self.answer = answer
        self.requests: list[Request] = []
        self._turn = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.script = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> LlmServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def step(self, request: Request) -> Step:
        with self._turn:
            self.requests.append(request)
            if self.answer is not None:
                return self.answer(request)
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # Whoever has read a whole answer may leave.
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        script: LlmServer = self.server.script  # type: ignore[attr-defined]
        step = script.step(Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        match step:
            case Fail():
                self._fail(step)
            case Drop(text=None):
                self.close_connection = True
            case Drop(text=str(text)):
                self._open()
                self._event(_chunk(text))
                self.close_connection = True
            case Garble():
                self._open()
                self._send(b"data: {not json\n\n")
                self._end()
            case Hang(release=release):
                self._open()
                self._event(_chunk("a"))
                release.wait(30)
                self.close_connection = True
            case Raw():
                self._raw(step)
            case Say():
                self._say(step)

    def _say(self, step: Say) -> None:
        self._open()
        for start in range(0, len(step.text), step.piece):
            self._event(_chunk(step.text[start : start + step.piece]))
        if step.refusal:
            self._event(_chunk("", refusal=step.refusal))
        if step.finish:
            self._event(_chunk("", step.finish))
        if step.usage is not None:
            prompt, completion = step.usage
            usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            self._event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                         "usage": usage})  # fmt: skip
        self._send(b"data: [DONE]\n\n")
        self._end()

    def _raw(self, step: Raw) -> None:
        self.send_response(200)
        self.send_header("content-type", step.kind)
        if step.framed:
            self.send_header("content-length", str(len(step.body)))
        else:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(step.body)

    def _fail(self, step: Fail) -> None:
        body = json.dumps(step.body).encode()
        self.send_response(step.status)
        for name, value in {"content-type": "application/json", **step.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _open(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _event(self, value: Mapping[str, Any]) -> None:
        self._send(f"data: {json.dumps(value)}\n\n".encode())

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _chunk(text: str, finish: str | None = None, refusal: str | None = None) -> dict[str, Any]:
    return {
        "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text, "refusal": refusal}, "finish_reason": finish}],
    }  # fmt: skip


def answer(diff: str, title: str = "Try a larger width", kind: str = "architecture", fence: str = "```diff") -> str:
    """An answer in the form that the prompt asks for."""
    return (
        f"TITLE: {title}\nKIND: {kind}\nHYPOTHESIS: It was too small.\nEXPECTED: val_loss 0.02 lower\n\n"
        f"{fence}\n{diff}```\n"
    )
