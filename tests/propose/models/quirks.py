"""What servers send that OpenAI's protocol does not foresee, each with the same answer in it if there is one."""

from __future__ import annotations

import json
from typing import Any

from llm_server import Raw

ANSWER = (
    "TITLE: Wider\nKIND: architecture\n\n```diff\n--- a/train.py\n+++ b/train.py\n@@\n-width = 64\n+width = 96\n```\n"
)


def chunk(delta: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}  # fmt: skip


def usage(**counts: Any) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": counts}


def sse(*events: Any, done: bool = True) -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


SAID, END = chunk({"role": "assistant", "content": ANSWER}), chunk({}, "stop")
SECOND = {"index": 1, "delta": {"content": "no"}}
HALVES = chunk({"content": ANSWER[:40]}), chunk({"content": ANSWER[40:]})
COMPLETION = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
MESSAGE = {"role": "assistant", "content": ANSWER}
WHOLE = {**COMPLETION, "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
COUNTS = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": ANSWER}]
JSON = "application/json"

QUIRKS: dict[str, Raw] = {
    "as OpenAI sends it": Raw(sse(*HALVES, END, usage(**COUNTS))),
    "`choices` null beside the usage": Raw(sse(SAID, END, {**END, "choices": None, "usage": COUNTS})),
    "`delta` null": Raw(sse(SAID, chunk(None, "stop"), usage(**COUNTS))),
    "`content` a list of parts, thoughts among them": Raw(sse(chunk({"content": PARTS}), END, usage(**COUNTS))),
    "`content` one part, not in a list": Raw(sse(chunk({"content": {"type": "text", "text": ANSWER}}), END)),
    "thoughts in `reasoning_content`": Raw(sse(chunk({"reasoning_content": "hm " * 9}), SAID, END, usage(**COUNTS))),
    "`usage` null": Raw(sse(SAID, END, {**END, "choices": [], "usage": None})),
    "`usage` with nulls": Raw(sse(SAID, END, usage(prompt_tokens=None, completion_tokens=None))),
    "`usage` with a total alone": Raw(sse(SAID, END, usage(total_tokens=30))),
    "`usage` without what was asked": Raw(sse(SAID, END, usage(completion_tokens=20, total_tokens=30))),
    "`usage` in quotes": Raw(sse(SAID, END, usage(prompt_tokens="10", completion_tokens="20"))),
    "`usage` that is negative or infinite": Raw(sse(SAID, END, usage(prompt_tokens=-1, completion_tokens=1e999))),
    "an event that is a list": Raw(sse([], SAID, END, usage(**COUNTS))),
    "an event that is a string, before the answer": Raw(sse('"warming up"', SAID, END, usage(**COUNTS))),
    "an event that is a string, and no answer": Raw(sse('"overloaded"')),
    "events without blank lines between them": Raw(sse(*HALVES, END, usage(**COUNTS)).replace(b"\n\n", b"\n")),
    "line ends of DOS": Raw(sse(*HALVES, END, usage(**COUNTS)).replace(b"\n", b"\r\n")),
    "comments that keep the connection": Raw(b": PROCESSING\n\n" * 3 + sse(SAID, END, usage(**COUNTS))),
    "no `finish_reason`, but `[DONE]`": Raw(sse(SAID, usage(**COUNTS))),
    "neither, but a whole HTTP response": Raw(sse(SAID, usage(**COUNTS), done=False)),
    "neither, and the connection is closed": Raw(sse(SAID, done=False), framed=False),
    "a `finish_reason`, then the connection is closed": Raw(sse(SAID, END, done=False), framed=False),
    "not streamed": Raw(json.dumps({**WHOLE, "usage": COUNTS}).encode(), JSON),
    "not streamed, printed over many lines": Raw(json.dumps({**WHOLE, "usage": COUNTS}, indent=2).encode(), JSON),
    "a line of JSON for each event (Ollama)": Raw(
        b"".join(
            json.dumps(each).encode() + b"\n"
            for each in (
                {"message": {"role": "assistant", "content": ANSWER[:40]}, "done": False},
                {"message": {"role": "assistant", "content": ANSWER[40:]}, "done": False},
                {"message": {"content": ""}, "done": True, "prompt_eval_count": 10, "eval_count": 20},
            )
        ),
        "application/x-ndjson",
    ),
    "the whole message again behind its pieces": Raw(sse(*HALVES, WHOLE, usage(**COUNTS))),
    "`text` in place of `delta`": Raw(sse({"choices": [{"text": ANSWER, "finish_reason": "stop"}]}, usage(**COUNTS))),
    "two choices": Raw(sse({"choices": [*SAID["choices"], SECOND]}, END, usage(**COUNTS))),
    "a tool call in place of a text": Raw(sse(chunk({"tool_calls": [{"function": {"name": "edit"}}]}), END)),
    "an error in the stream, behind half of an answer": Raw(sse(HALVES[0], {"error": {"message": "overloaded"}})),
    "an error with status 200": Raw(json.dumps({"error": {"message": "no capacity"}}).encode(), JSON),
    "a refused key with status 200": Raw(json.dumps({"error": {"message": "bad key", "code": 401}}).encode(), JSON),
    "an error that is a list (Gemini)": Raw(
        json.dumps([{"error": {"code": 400, "message": "API key not valid"}}]).encode(), JSON
    ),
    "a web page with status 200": Raw(b"<!DOCTYPE html><html><body>Welcome</body></html>", "text/html"),
    "nothing at all": Raw(b""),
    "bytes that are no text": Raw(bytes(range(256)) * 4),
}  # fmt: skip
