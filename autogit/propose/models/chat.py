"""One conversation turn with an OpenAI-compatible server: streamed, retried, paid for, and its key kept secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import TYPE_CHECKING, TypeVar

from autogit.config.model import Llm
from autogit.errors import Interrupted, ProposerError
from autogit.propose.models.failure import Failure, failure
from autogit.propose.models.prompt_quote import tokens
from autogit.propose.models.purse import Purse, priced
from autogit.records import Usage

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionMessageParam

T = TypeVar("T")

OPENAI = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """One side's words."""

    text: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, in how many tokens."""

    text: str
    cut: bool
    """It reached `max_tokens`: the text is not whole."""
    refusal: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Patience:
    """How a failed call is tried again: after `first` seconds, then twice as long each time, at most `most`.

    By default a server may be away for about four minutes.
    """

    attempts: int = 9
    first: float = 1.0
    most: float = 60.0

    def delay(self, failed: int) -> float:
        """Seconds to wait after so many failures."""
        return min(self.most, self.first * 2.0 ** (failed - 1))


@dataclass(slots=True)
class _Received:
    """What has come of a stream so far."""

    parts: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    finish: str = ""
    usage: CompletionUsage | None = None
    given_up: bool = False


class Chat:
    """A model behind a server. `key` is sent to that server and to nobody else; no message of ours holds it."""

    def __init__(
        self, model: Llm, key: str, purse: Purse, cancel: threading.Event, patience: Patience | None = None
    ) -> None:
        self._model = model
        self._key = key
        self._purse = purse
        self._cancel = cancel
        self._patience = patience or Patience()
        self._client: OpenAI | None = None
        self._owed = Usage()

    def owed(self) -> Usage:
        """What was used since this was last asked, calls that gave no reply included: for the next record."""
        owed, self._owed = self._owed, Usage()
        return owed

    def complete(self, messages: Sequence[Message]) -> Reply:
        """The model's next words. Tries again where the failure may pass; its usage counts all tries, and calls
        before that gave none.

        Raises ProposerError where trying again cannot help or has not, Interrupted where the loop ended.
        """
        for failed in range(1, self._patience.attempts + 1):
            self._purse.check()
            received, started = _Received(), time.monotonic()
            try:
                problem = self._attempt(messages, received)
            finally:
                self._owed += self._pay(messages, received, time.monotonic() - started)
            if problem is None:
                text, refusal = self.redacted("".join(received.parts)), self.redacted("".join(received.refusal))
                if received.finish == "content_filter":
                    refusal = refusal or "the server's content filter stopped the answer"
                return Reply(text, received.finish == "length", refusal, self.owed())
            if problem.final or failed == self._patience.attempts:
                tries = "" if problem.final else f" ({failed} tries)"
                raise ProposerError(problem.reason + tries)
            delay = self._patience.delay(failed) if problem.wait is None else problem.wait
            if self._cancel.wait(delay):
                raise Interrupted("stopped while a model was waited for")
        raise AssertionError("unreachable: the last attempt returns or raises")

    def redacted(self, text: str) -> str:
        """`text` without the key, should a server repeat it."""
        return text.replace(self._key, "[key]") if self._key else text

    def _attempt(self, messages: Sequence[Message], received: _Received) -> Failure | None:
        import openai

        try:
            self._cancellable(lambda: self._stream(messages, received), received)
        except (openai.OpenAIError, JSONDecodeError, TimeoutError) as error:
            return failure(error, self._model, self.redacted)
        if not received.finish:
            return Failure(f"{self._model.model}: the answer broke off", final=False)
        return None

    def _cancellable(self, call: Callable[[], T], received: _Received) -> T:
        """Waits for a call in a thread of its own: nothing interrupts it, and a second Ctrl-C must not wait for it."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # Handed on whole to whoever waits.
                future.set_exception(error)

        threading.Thread(target=work, name=f"call {self._model.model}", daemon=True).start()
        deadline = time.monotonic() + self._model.timeout
        try:
            while True:
                try:
                    return future.result(timeout=min(0.1, max(0.0, deadline - time.monotonic())))
                except TimeoutError:
                    if self._cancel.is_set():
                        raise Interrupted("stopped while a model was waited for") from None
                    if future.done() or time.monotonic() >= deadline:
                        raise
        finally:
            received.given_up = True

    def _stream(self, messages: Sequence[Message], received: _Received) -> None:
        from openai import omit

        client, model = self._connected(), self._model
        said: list[ChatCompletionMessageParam] = [
            {"role": "user", "content": m.text} if m.ours else {"role": "assistant", "content": m.text}
            for m in messages
        ]
        # OpenAI's reasoning models know only the new name, most other servers only the old one.
        new_name = client.base_url.host.endswith("openai.com")
        stream = client.chat.completions.create(
            model=model.model,
            messages=said,
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=model.max_tokens if new_name else omit,
            max_tokens=omit if new_name else model.max_tokens,
            temperature=omit if model.temperature is None else model.temperature,
            reasoning_effort=omit if model.reasoning_effort is None else model.reasoning_effort,
        )
        with stream:
            for chunk in stream:
                if received.given_up:
                    return
                received.usage = chunk.usage or received.usage
                for choice in chunk.choices[:1]:
                    received.parts.append(choice.delta.content or "")
                    received.refusal.append(choice.delta.refusal or "")
                    received.finish = choice.finish_reason or received.finish

    def _connected(self) -> OpenAI:
        if self._client is None:
            from openai import OpenAI, Timeout

            # Retried here and not there: a stream that breaks off has to be asked for again as well.
            self._client = OpenAI(
                api_key=self._key or "none",
                # Never left to $OPENAI_BASE_URL: the key goes where the configuration says.
                base_url=self._model.base_url or OPENAI,
                # A server that is there takes a call at once, however long it thinks about it.
                timeout=Timeout(self._model.timeout, connect=min(self._model.timeout, CONNECT_SECONDS)),
                max_retries=0,
            )
            if self._model.base_url:
                # $OPENAI_ORG_ID and $OPENAI_PROJECT_ID are OpenAI's business, no other server's.
                self._client.organization = self._client.project = None
        return self._client

    def _pay(self, messages: Sequence[Message], received: _Received, seconds: float) -> Usage:
        """The usage of one try, estimated where the server has begun to answer and not told."""
        told, output = received.usage, "".join(received.parts)
        if told is not None:
            counts = told.prompt_tokens, told.completion_tokens
        else:
            counts = (sum(tokens(m.text) for m in messages), tokens(output)) if output else (0, 0)
        usage = priced(*counts, seconds, self._model.price_input, self._model.price_output)
        self._purse.pay(usage.cost)
        return usage
