"""Servers as they are: slow, limited, broken, gone."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from llm_server import Drop, Fail, Garble, Hang, LlmServer, Say, Step
from propose.models.bench import LlmBench, model

from autogit.config.model import Llm
from autogit.errors import Interrupted, ProposerError
from autogit.propose.models.client import Client, CostLimit, Message, Patience
from autogit.propose.models.llm import LlmProposer

Serve = Callable[..., LlmServer]
QUICK = Patience(attempts=3, first=0.01, most=0.02)
ASK = [Message("hello", True)]
KEY = "sk-very-secret-1234567890"


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *steps: stack.enter_context(LlmServer(steps))


def chat(
    server: LlmServer, cost: CostLimit | None = None, cancel: threading.Event | None = None, **changes: object
) -> Client:
    settings = model(server.url, **changes)
    return Client(settings, KEY, cost or CostLimit(None), cancel or threading.Event(), QUICK)


@pytest.mark.parametrize(
    "step",
    [
        Fail(429, headers={"retry-after": "0"}),
        Fail(429),
        Fail(500),
        Fail(503, {"error": "overloaded"}),
        Fail(408),
        Drop(),
        Drop("half an ans"),
        Garble(),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(serve: Serve, step: Step) -> None:
    server = serve(step, step, Say("whole"))
    assert chat(server).complete(ASK).text == "whole"
    assert len(server.requests) == 3


def test_it_gives_up_after_its_tries(serve: Serve) -> None:
    server = serve(Fail(500))
    with pytest.raises(ProposerError, match=r"tiny: 127\.0\.0\.1:\d+ fails: .*\(3 tries\)"):
        chat(server).complete(ASK)
    assert len(server.requests) == 3


def test_waits_grow_and_a_server_sets_its_own() -> None:
    assert [Patience().delay(n) for n in (1, 2, 3, 9)] == [1, 2, 4, 60]


def test_a_server_sets_the_wait(serve: Serve) -> None:
    waited: list[float | None] = []

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return False

    server = serve(Fail(429, headers={"retry-after": "7"}), Fail(500), Fail(429, headers={"retry-after-ms": "250"}))
    with pytest.raises(ProposerError):
        chat(server, cancel=Waiting()).complete(ASK)
    assert waited == [7.0, 0.02]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Fail(401, {"error": {"message": f"Incorrect API key provided: {KEY[:12]}"}}), "refuses the key in .KEY_HERE"),
        (Fail(403), "refuses the key"),
        (Fail(404, {"error": {"message": "model tiny not found"}}), "does not know this model.*model tiny not found"),
        (Fail(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "the quota .* is used up"),
        (
            Fail(402, {"error": {"message": "Insufficient Balance"}}),
            "the balance .* is used up: .*Insufficient Balance",
        ),
        (Fail(429, headers={"retry-after": "3600"}), "asks to wait 3600 s"),
        (Fail(400, {"error": {"message": "temperature is not supported"}}), "does not accept .*temperature is not"),
    ],
)
def test_what_cannot_pass_stops_at_once_and_says_what_it_is(serve: Serve, step: Fail, words: str) -> None:
    server = serve(step)
    with pytest.raises(ProposerError, match=words):
        chat(server, api_key_env="KEY_HERE").complete(ASK)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there() -> None:
    with LlmServer([Say("")]) as server:
        url = server.url
    lonely = Client(Llm("tiny", url), KEY, CostLimit(None), threading.Event(), QUICK)
    with pytest.raises(ProposerError, match="cannot be reached"):
        lonely.complete(ASK)


def test_an_answer_that_takes_too_long_is_given_up(serve: Serve) -> None:
    release = threading.Event()
    server = serve(Hang(release), Say("whole"))
    assert chat(server, timeout=0.3).complete(ASK).text == "whole"
    release.set()


def test_the_person_does_not_wait_for_a_model(serve: Serve) -> None:
    release, cancel = threading.Event(), threading.Event()
    server = serve(Hang(release))
    cancel.set()
    with pytest.raises(Interrupted):
        chat(server, cancel=cancel).complete(ASK)
    release.set()


def test_every_try_is_paid_for(serve: Serve) -> None:
    """Also one that breaks off, whose tokens nobody tells."""
    server = serve(Drop("x" * 300), Say("whole", usage=(10, 20)), Say("free", usage=None))
    cost = CostLimit(None)
    talk = chat(server, cost, price_output=1_000_000)
    reply = talk.complete(ASK)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2 + 10, 100 + 20)
    assert reply.usage.cost == pytest.approx(120)
    untold = talk.complete(ASK).usage
    assert (untold.input_tokens, untold.output_tokens) == (2, 2)


def test_the_key_goes_to_the_server_and_nowhere_else(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KEY_HERE", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-ada")
    server = serve(
        Fail(500, {"error": {"message": f"bearer {KEY}"}}),
        Say(f"TITLE: I saw {KEY}\n"),
        Fail(400, {"error": {"message": f"{'.' * (300 - len(KEY))}{KEY}{KEY}"}}),
        Fail(400, {"error": {"message": f"what is {KEY}?"}}),
    )
    config = model(server.url, api_key_env="KEY_HERE", repairs=0)
    proposer = LlmProposer(config, CostLimit(None), threading.Event(), patience=QUICK)
    proposal = proposer.propose(LlmBench().context())
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "org-of-ada" not in server.requests[0].headers.values()
    assert KEY not in repr(proposal) and "I saw [key]" in proposal.raw
    with pytest.raises(ProposerError, match=r"\.\.\[key\]") as cut:
        proposer.propose(LlmBench().context())
    assert KEY[:6] not in str(cut.value)
    with pytest.raises(ProposerError, match=r"what is \[key\]\?") as caught:
        proposer.propose(LlmBench().context())
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in caplog.text
    assert all(KEY not in request.last for request in server.requests)


def test_no_key_says_where_it_is_looked_for(serve: Serve) -> None:
    server = serve(Say(""))
    config = model(server.url, api_key_env="NO_SUCH_KEY")
    with pytest.raises(ProposerError, match=r"\$NO_SUCH_KEY is not set"):
        LlmProposer(config, CostLimit(None), threading.Event()).propose(LlmBench().context())
    assert not server.requests


def test_the_key_goes_where_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    talk = Client(Llm("gpt"), KEY, CostLimit(None), threading.Event())
    assert talk._connected().base_url.host == "api.openai.com"
