"""Whatever a server sends is an answer or a failed call: over HTTP, and ten thousand times without."""

from __future__ import annotations

import copy
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import LlmServer, Raw, Say
from propose.models.bench import model
from propose.models.quirks import ANSWER, COUNTS, END, HALVES, JSON, QUIRKS, SAID, WHOLE, chunk, sse, usage

from autogit.errors import ProposerError
from autogit.propose.models.client import Client, CostLimit, Message, Patience
from autogit.propose.models.stream import Reader, Received

PAGE = Path(__file__).parents[3] / "docs" / "llm.md"
BEGIN, END_OF_TABLE = "<!-- server quirks -->\n", "<!-- end of server quirks -->\n"
MUTANTS = 12_000
TWICE = Patience(attempts=2, first=0.01)


def outcome(quirk: Raw) -> str:
    """What becomes of a response, by a call over HTTP; the second try is answered well."""
    told: list[str] = []
    with LlmServer([quirk, Say(ANSWER, usage=(1, 1))]) as server:
        client = Client(model(server.url), "", CostLimit(None), threading.Event(), TWICE)
        host = f"127.0.0.1:{server.url.split(':')[2].split('/')[0]}"
        try:
            reply = client.complete([Message("hello", True)], told.append)
        except ProposerError as error:
            return f"left out: {error}".replace(host, "SERVER")
    if told:
        return f"a failed call: {told[0].split(';')[0]}".replace(host, "SERVER")
    counted = (reply.usage.input_tokens, reply.usage.output_tokens)
    tokens = "its tokens are taken" if counted == (10, 20) else "tokens are estimated"
    if reply.text == ANSWER:
        return f"read whole; {tokens}"
    return "given back: there are no tools" if reply.tools else f"read as {reply.text!r}"


def table() -> str:
    rows = [f"| {name} | {outcome(quirk).replace('|', ' ')} |" for name, quirk in QUIRKS.items()]
    return "\n".join(["| what the server sends | what becomes of it |", "| --- | --- |", *rows, ""])


def test_the_table_in_the_docs_is_what_happens() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    shown, tail = rest.split(END_OF_TABLE)
    made = table()
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{head}{BEGIN}{made}{END_OF_TABLE}{tail}", encoding="utf-8")
    else:
        assert shown == made, "write it anew with: UPDATE_DOCS=1 pytest tests/propose/models/test_stream.py"


def read(body: bytes, rng: random.Random | None = None) -> Received:
    """The body, in pieces of any length."""
    reader, at = Reader(), 0
    while at < len(body):
        size = rng.randint(1, 200) if rng else len(body)
        reader.feed(body[at : at + size])
        at += size
    reader.close()
    return reader.received


def sane(received: Received) -> None:
    assert isinstance(received.text, str) and isinstance(received.refusal, str) and isinstance(received.finish, str)
    for count in (received.input_tokens, received.output_tokens):
        assert count is None or (type(count) is int and count >= 0)
    assert received.error is None or isinstance(received.error.message, str)


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_read_the_same_in_whatever_pieces_it_comes(name: str) -> None:
    body, rng = QUIRKS[name].body, random.Random(name)
    at_once = read(body)
    for _ in range(5):
        pieces = read(body, rng)
        assert (pieces.text, pieces.finish, pieces.error) == (at_once.text, at_once.finish, at_once.error)
        assert (pieces.input_tokens, pieces.output_tokens) == (at_once.input_tokens, at_once.output_tokens)


# ---- mutated streams

ODD: list[Any] = [
    None, True, False, 0, -1, 1e999, float("nan"), 10**30, "", "x", "10", "\ud800", [], [[]], {}, [None], {"": None},
    {"type": "text", "text": None}, {"content": [{"text": {"value": 3}}]}, [{"type": 7}], "[DONE]",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    at = value
    for key in path[:-1]:
        at = at[key]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


def mutated(rng: random.Random) -> bytes:
    """A stream that is damaged in structure, in its lines or in its bytes."""
    events: list[Any] = copy.deepcopy([*HALVES, END, usage(**COUNTS)] if rng.random() < 0.8 else [WHOLE])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(events))
        path = rng.choice(places(events[at]))
        events[at] = put(events[at], path, ... if path and rng.random() < 0.3 else copy.deepcopy(rng.choice(ODD)))
    if rng.random() < 0.2:
        events.insert(rng.randrange(len(events) + 1), copy.deepcopy(rng.choice([*ODD, {"error": rng.choice(ODD)}])))
    if rng.random() < 0.2:
        events = rng.sample(events, len(events))
    body = bytearray(sse(*(json.dumps(event) for event in events), done=rng.random() < 0.7))
    for _ in range(rng.choice([0, 0, 1, 5])):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.randrange(256)
            case 1:
                del body[at : at + rng.randint(1, 40)]
            case 2:
                body[at:at] = rng.choice([b"\n", b"\n\n", b"data: ", b"\xff", b"{", b"]", b"\r", b"[" * 5000])
            case 3:
                del body[at:]
        if not body:
            break
    return bytes(body)


def test_no_stream_whatsoever_raises() -> None:
    rng = random.Random(18)
    whole = 0
    for _ in range(MUTANTS):
        received = read(mutated(rng), rng)
        sane(received)
        whole += received.text == ANSWER
    # The mutants must reach what they are made for: some leave the answer whole, most do not.
    assert MUTANTS / 10 < whole < MUTANTS * 0.9


def test_nothing_that_was_paid_is_lost_by_what_stands_beside_it() -> None:
    """Damage to everything but the words of the answer leaves the answer and, by the estimate, its price."""
    rng = random.Random(81)
    for _ in range(2000):
        events: list[Any] = copy.deepcopy([*HALVES, END, usage(**COUNTS)])
        for at in (2, 3):
            path = rng.choice(places(events[at]))
            value = copy.deepcopy(rng.choice([each for each in ODD if not (isinstance(each, str) and each)][:14]))
            events[at] = put(events[at], path, value)
        for at in (0, 1):
            key = rng.choice(
                ["id", "object", "created", "model", "usage", "system_fingerprint", "choices.finish_reason"]
            )
            value = copy.deepcopy(rng.choice(ODD))
            if key.startswith("choices"):
                events[at]["choices"][0]["finish_reason"] = value
            elif key != "object":
                events[at][key] = value
        received = read(sse(*(json.dumps(event) for event in events)), rng)
        sane(received)
        assert received.text == ANSWER


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read(body: bytes) -> None:
    sane(read(body))
    sane(read(b"data: " + body))


@pytest.mark.parametrize("deep", ["[", '{"choices":[', '{"content":'])
def test_no_depth_is_too_deep(deep: str) -> None:
    sane(read((deep * 100_000).encode()))
    sane(read(f"data: {'[' * 900}{']' * 900}\n\n".encode()))


def test_a_few_mutants_over_http() -> None:
    rng = random.Random(7)
    for _ in range(40):
        mutant = Raw(mutated(rng), rng.choice(["text/event-stream", JSON, "text/html"]), framed=rng.random() < 0.8)
        with LlmServer([mutant, Say(ANSWER)]) as server:
            client = Client(model(server.url), "", CostLimit(None), threading.Event(), TWICE)
            try:
                assert isinstance(client.complete([Message("hello", True)]).text, str)
            except ProposerError as error:
                assert str(error).startswith("tiny: ")


def test_a_whole_answer_is_paid_once() -> None:
    """Without a word about its end it was asked for nine times."""
    with LlmServer([Raw(sse(SAID))]) as server:
        client = Client(model(server.url, price_output=1_000_000), "", CostLimit(None), threading.Event(), TWICE)
        reply = client.complete([Message("hello", True)])
    assert reply.text == ANSWER and len(server.requests) == 1
    assert reply.usage.output_tokens == pytest.approx(len(ANSWER) / 3, abs=1)


def test_thoughts_alone_that_reach_the_limit_say_so() -> None:
    with LlmServer([Raw(sse(chunk({"reasoning": "hm " * 50}), chunk({}, "length")))]) as server:
        reply = Client(model(server.url), "", CostLimit(None), threading.Event(), TWICE).complete([Message("a", True)])
    assert reply.cut and reply.thought and reply.text == ""
    assert reply.usage.output_tokens == 50
